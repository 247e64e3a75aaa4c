//! `grant_type=password` (RFC 6749 section 4.3): opens a session.

use secrecy::ExposeSecret;

use super::client_auth::AuthenticatedClient;
use super::login::{self, Verified};
use super::request::PasswordRequest;
use super::{Issuer, OAuthError, Reason, Requester, TokenResponse, issue, rules};
use crate::accounts::lockout::Attempt;
use crate::accounts::password::{Password, Place, Verdict};
use crate::accounts::{Grant, username};
use crate::store::Store;
use crate::store::users::{self, UserRow};

pub(super) async fn run(
    issuer: &Issuer,
    store: &Store,
    client: &AuthenticatedClient,
    request: PasswordRequest,
    from: &Requester,
) -> Result<TokenResponse, OAuthError> {
    match log_in(issuer, store, client, &request, from).await {
        // Another login of the user may have upgraded the hash meanwhile: an imported user's first two at once.
        Err(OAuthError::InvalidGrant(Reason::UserChanged)) => {
            log_in(issuer, store, client, &request, from).await
        }
        outcome => outcome,
    }
}

async fn log_in(
    issuer: &Issuer,
    store: &Store,
    client: &AuthenticatedClient,
    request: &PasswordRequest,
    from: &Requester,
) -> Result<TokenResponse, OAuthError> {
    if !client.grants.contains(&Grant::Password) {
        return Err(OAuthError::UnauthorizedClient("the client may not use the password grant"));
    }
    // Whom there is no room for costs nothing more.
    issuer.passwords.check_room()?;
    // What can be refused without a hash is refused before it.
    if let Some(scope) = rules::requested_scope(&request.asked)? {
        rules::within(scope, &client.scopes)?;
    }
    rules::audience(&request.asked, &issue::allowed_audience(issuer, client))?;
    let name = username::canonical(&request.username).unwrap_or_default();
    let is_familiar = login::is_familiar(store, &name, from.address);
    let attempt = issuer.lockout.admit(&request.username, from.address, is_familiar).await?;
    // Not before: those that wait for each other take no room from anybody else.
    let place = issuer.passwords.reserve()?;
    let (row, upgrade) = verify(issuer, store, place, request, attempt).await?;
    let proof = match &request.code {
        Some(code) => issuer.check_code(store, &row.id, code, from.address).await?,
        None => None,
    };
    let verified = Verified { row, upgrade, proof };
    login::open(issuer, store, client, verified, request.asked.clone(), from).await
}

/// The user, and perhaps a better hash of the password. Unknown users cost one hash too, and disabled ones are found out after it, so that timing reveals no accounts.
async fn verify(
    issuer: &Issuer,
    store: &Store,
    place: Place,
    request: &PasswordRequest,
    attempt: Attempt,
) -> Result<(UserRow, Option<String>), OAuthError> {
    let password = Password::parse(request.password.expose_secret()).map_err(OAuthError::InvalidRequest)?;
    let key = username::canonical(&request.username);
    let find = move |conn: &mut _| key.map_or(Ok(None), |key| users::find_by_key(conn, &key));
    let row = store.read(find).await?;
    let stored = row.as_ref().map(|row| row.password_hash.clone());
    if let Some(row) = &row {
        tracing::Span::current().record("user", row.id.as_str());
    }
    let (verdict, attempt) = issuer.passwords.verify(place, password, stored, attempt).await?;
    let refused = match (row, verdict) {
        (None, _) => Reason::UnknownUser,
        (Some(_), Verdict::Differs) => Reason::WrongPassword,
        (Some(row), _) if row.disabled => Reason::UserDisabled,
        (Some(row), Verdict::Matches { upgrade }) => {
            attempt.succeed().await;
            return Ok((row, upgrade));
        }
    };
    attempt.fail().await;
    Err(OAuthError::InvalidGrant(refused))
}
