//! `grant_type=client_credentials` (RFC 6749 section 4.4): a client acts for itself. No session, no refresh token.

use super::client_auth::AuthenticatedClient;
use super::request::Asked;
use super::{Issuer, OAuthError, TokenResponse, issue, rules};
use crate::accounts::Grant;

pub(super) async fn run(
    issuer: &Issuer,
    client: &AuthenticatedClient,
    asked: Asked,
) -> Result<TokenResponse, OAuthError> {
    if client.is_public() || !client.grants.contains(&Grant::ClientCredentials) {
        return Err(OAuthError::UnauthorizedClient("the client may not use the client_credentials grant"));
    }
    let scope = rules::grant_scope(&asked, client, &client.scopes)?;
    let audience = rules::audience(&asked, &issue::allowed_audience(issuer, client))?;
    let grantee = issue::Grantee { client, login: None, scope, audience };
    issue::access_token(issuer, &*issuer.keys.current().await?, grantee, issuer.clock.now())
}
