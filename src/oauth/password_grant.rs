//! `grant_type=password` (RFC 6749 section 4.3): opens a session.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::client_auth::AuthenticatedClient;
use super::request::PasswordRequest;
use super::{Issuer, OAuthError, Reason, Requester, TokenResponse, issue, rules};
use crate::accounts::lockout::network;
use crate::accounts::password::{Password, Place, Verdict};
use crate::accounts::{Client, Grant, User, username};
use crate::clock::Timestamp;
use crate::store::sessions::SessionRow;
use crate::store::users::UserRow;
use crate::store::{Store, clients, sessions, users};
use crate::tokens::session::{self, Opening};
use crate::tokens::{RefreshToken, SessionId};

/// How the user authenticated (RFC 8176).
const AMR: &str = "pwd";

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
    let audience = rules::audience(&request.asked, &issue::allowed_audience(issuer, client))?;
    let is_familiar = is_familiar(store, &request.username, from.address);
    let attempt = issuer.lockout.admit(&request.username, from.address, is_familiar).await?;
    // Not before: those that wait for each other take no room from anybody else.
    let place = issuer.passwords.reserve()?;
    let verified = match verify(issuer, store, place, request).await {
        Ok(verified) => {
            attempt.succeed().await;
            verified
        }
        Err(refused @ OAuthError::InvalidGrant(_)) => {
            attempt.fail().await;
            return Err(refused);
        }
        Err(failure) => return Err(failure),
    };
    let user = User::from_row(&verified.row)?;
    let scope = rules::grant_scope(&request.asked, client, &user.allowed(&client.scopes))?;

    let ring = issuer.keys.current().await?;
    let now = issuer.clock.now();
    let policy = issue::policy(issuer, client, from.door);
    let id = SessionId::generate(now);
    let opening = Opening {
        user_id: user.id.clone(),
        client_id: client.id.clone(),
        scope: scope.to_string(),
        resource: (!request.asked.resource.is_empty()).then(|| audience.join(" ")),
        amr: AMR,
        address: from.address.to_string(),
        user_agent: from.user_agent.clone(),
    };
    let row = session::open(id, opening, &policy, now);
    let login = issue::Login {
        user: &user,
        session: id,
        auth_time: now,
        amr: AMR,
        ends_at: Timestamp::from_unix(row.ends_at),
    };
    let grantee = issue::Grantee { client, login: Some(login), scope, audience };
    let response = issue::access_token(issuer, &ring, grantee, now)?;
    let refresh_token = RefreshToken { session: id, generation: 0 }.encode(ring.mac())?;
    let life = Timestamp::from_unix(row.expires_at).since(now);
    open(store, client, verified, row).await?;
    if client.grants.contains(&Grant::RefreshToken) {
        return Ok(response.with_refresh_token(refresh_token, life));
    }
    Ok(response)
}

/// Whether the account was used from this network, as far as its sessions remember. As much work for one that there
/// is not.
async fn is_familiar(store: &Store, name: &str, from: IpAddr) -> bool {
    let key = username::canonical(name).unwrap_or_default();
    let addresses = store.read(move |conn| sessions::addresses(conn, &key)).await.unwrap_or_default();
    let of_network = |text: &String| text.parse().is_ok_and(|address| network(address) == network(from));
    addresses.iter().any(of_network)
}

/// A user whose password was right.
struct Verified {
    row: UserRow,
    upgrade: Option<String>,
}

/// Unknown users cost one hash too, and disabled ones are found out after it, so that timing reveals no accounts.
async fn verify(
    issuer: &Issuer,
    store: &Store,
    place: Place,
    request: &PasswordRequest,
) -> Result<Verified, OAuthError> {
    let password = Password::parse(request.password.expose_secret()).map_err(OAuthError::InvalidRequest)?;
    let key = username::canonical(&request.username);
    let find = move |conn: &mut _| key.map_or(Ok(None), |key| users::find_by_key(conn, &key));
    let row = store.read(find).await?;
    let stored = row.as_ref().map(|row| row.password_hash.clone());
    if let Some(row) = &row {
        tracing::Span::current().record("user", row.id.as_str());
    }
    let verdict = issuer.passwords.verify(place, password, stored).await?;
    match (row, verdict) {
        (None, _) => Err(OAuthError::InvalidGrant(Reason::UnknownUser)),
        (Some(_), Verdict::Differs) => Err(OAuthError::InvalidGrant(Reason::WrongPassword)),
        (Some(row), _) if row.disabled => Err(OAuthError::InvalidGrant(Reason::UserDisabled)),
        (Some(row), Verdict::Matches { upgrade }) => Ok(Verified { row, upgrade }),
    }
}

/// Stores the session, unless the user or the client was changed while the password was verified: disabled, deleted,
/// given another password, or fewer scopes.
async fn open(
    store: &Store,
    client: &Client,
    verified: Verified,
    session: SessionRow,
) -> Result<(), OAuthError> {
    let Verified { row, upgrade } = verified;
    let seen = client.clone();
    let opened = store
        .write(move |conn| {
            let client =
                clients::find_and_hold(conn, &seen.id)?.as_ref().map(Client::from_row).transpose()?;
            if client.as_ref() != Some(&seen) {
                return Ok(Opened::ClientChanged);
            }
            if !users::record_login(conn, &row.id, &row.password_hash, session.created_at)? {
                return Ok(Opened::UserChanged);
            }
            if let Some(new) = upgrade {
                users::upgrade_hash(conn, &row.id, &row.password_hash, &new)?;
            }
            sessions::insert(conn, &session)?;
            Ok(Opened::Yes)
        })
        .await?;
    match opened {
        Opened::Yes => Ok(()),
        Opened::UserChanged => Err(OAuthError::InvalidGrant(Reason::UserChanged)),
        // A retry is judged by what the client may do now.
        Opened::ClientChanged => {
            Err(OAuthError::Unavailable("the client was changed during the login".to_owned()))
        }
    }
}

enum Opened {
    Yes,
    UserChanged,
    ClientChanged,
}
