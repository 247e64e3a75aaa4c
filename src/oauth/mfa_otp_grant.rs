//! `grant_type=urn:chancery:params:oauth:grant-type:mfa-otp`: the code that a login still lacked. Who shows the token knew
//! the password; a wrong code may be followed by another.

use secrecy::ExposeSecret;

use super::client_auth::AuthenticatedClient;
use super::login::{self, Verified};
use super::request::{Asked, MfaOtpRequest};
use super::{Door, Issuer, OAuthError, Reason, Requester, TokenResponse};
use crate::accounts::Grant;
use crate::store::{Store, users};
use crate::tokens::MfaToken;

/// Whoever may use the password grant may use this one.
pub(super) const GRANT_TYPE: &str = "urn:chancery:params:oauth:grant-type:mfa-otp";

pub(super) async fn run(
    issuer: &Issuer,
    store: &Store,
    client: &AuthenticatedClient,
    request: MfaOtpRequest,
    from: &Requester,
) -> Result<TokenResponse, OAuthError> {
    if !client.grants.contains(&Grant::Password) {
        return Err(OAuthError::UnauthorizedClient("the client may not use the password grant"));
    }
    let refused = |why| OAuthError::InvalidGrant(Reason::MfaToken(why));
    let ring = issuer.keys.current().await?;
    let token = MfaToken::decode(request.mfa_token.expose_secret(), ring.mac(), issuer.clock.now());
    let token = token.ok_or_else(|| refused("is none of this issuer's, or has expired"))?;
    tracing::Span::current().record("user", token.user_id.as_str());
    if token.client_id != client.id || token.in_browser != (from.door == Door::Browser) {
        return Err(refused("is another client's"));
    }
    let id = token.user_id.clone();
    let row = store.read(move |conn| users::find(conn, &id)).await?;
    let row = row.filter(|row| !row.disabled && token.is_of(&row.password_hash));
    let row = row.ok_or_else(|| refused("is of a user who is gone, disabled, or has another password"))?;
    let proof = issuer.check_code(store, &row.id, &request.code, from.address).await?;
    let proof = proof.ok_or_else(|| refused("is of a user who has no second factor any more"))?;
    let asked = Asked { scope: token.scope, resource: token.resource };
    let verified = Verified { row, upgrade: None, proof: Some(proof) };
    login::open(issuer, store, client, verified, asked, from).await
}
