//! The opening of a session, once the password was right, and the code if the user has a second factor: the end of every
//! grant that logs in.

use std::net::IpAddr;

use super::client_auth::AuthenticatedClient;
use super::request::Asked;
use super::second_factor::Proof;
use super::{Door, Issuer, OAuthError, Reason, Requester, TokenResponse, issue, rules};
use crate::accounts::lockout::{Attempt, network};
use crate::accounts::second_factor::Factor;
use crate::accounts::{Client, Grant, User};
use crate::clock::Timestamp;
use crate::store::sessions::SessionRow;
use crate::store::users::UserRow;
use crate::store::{Store, clients, sessions, totp, users};
use crate::tokens::session::{self, Opening};
use crate::tokens::{MfaToken, RefreshToken, SessionId, mfa_token};

/// How a user authenticated who has no second factor (RFC 8176).
const PASSWORD_ALONE: &str = "pwd";

/// A user whose password was right.
pub(super) struct Verified {
    /// As the password was held against it.
    pub row: UserRow,
    /// A better hash of the same password.
    pub upgrade: Option<String>,
    /// None: no code was shown, or none is needed.
    pub proof: Option<Proof>,
}

/// Opens the session and answers its first tokens. A user who still needs a code is told so.
pub(super) async fn open(
    issuer: &Issuer,
    store: &Store,
    client: &AuthenticatedClient,
    verified: Verified,
    asked: Asked,
    from: &Requester,
) -> Result<TokenResponse, OAuthError> {
    let Verified { row, upgrade, proof } = verified;
    let (factor, attempt) = proof.map(|proof| (proof.factor, proof.attempt)).unzip();
    let amr = factor.as_ref().map_or(PASSWORD_ALONE, Factor::amr);
    let (response, session) = grant(issuer, client, &row, amr, &asked, from).await?;
    let is_recovery = matches!(factor, Some(Factor::RecoveryCode(_)));
    let login = Login {
        client: Client::clone(client),
        row: row.clone(),
        upgrade: upgrade.clone(),
        factor,
        session,
        most_sessions: issuer.settings.limits.sessions,
    };
    let opened = login.store(store).await?;
    if let Some(attempt) = attempt {
        opened.settle(attempt).await;
    }
    match opened {
        Opened::Yes => {
            if is_recovery {
                tracing::info!(
                    target: "chancery::audit", event = "recovery_code_used", user = row.id, client = client.id,
                    "the user logged in with a recovery code"
                );
            }
            Ok(response)
        }
        Opened::CodeSpent => Err(OAuthError::InvalidGrant(Reason::WrongCode)),
        Opened::CodeNeeded => {
            let hash = upgrade.unwrap_or(row.password_hash);
            Err(mfa_required(issuer, client, row.id, &hash, asked, from.door).await?)
        }
        Opened::UserChanged => Err(OAuthError::InvalidGrant(Reason::UserChanged)),
        // A retry is judged by what the client may do now.
        Opened::ClientChanged => {
            Err(OAuthError::Unavailable("the client was changed during the login".to_owned()))
        }
    }
}

/// The tokens, and the session that is to be stored before they are given away.
async fn grant(
    issuer: &Issuer,
    client: &AuthenticatedClient,
    row: &UserRow,
    amr: &'static str,
    asked: &Asked,
    from: &Requester,
) -> Result<(TokenResponse, SessionRow), OAuthError> {
    let audience = rules::audience(asked, &issue::allowed_audience(issuer, client))?;
    let user = User::from_row(row)?;
    let scope = rules::grant_scope(asked, client, &user.allowed(&client.scopes))?;
    let ring = issuer.keys.current().await?;
    let now = issuer.clock.now();
    let id = SessionId::generate(now);
    let opening = Opening {
        user_id: user.id.clone(),
        client_id: client.id.clone(),
        scope: scope.to_string(),
        resource: (!asked.resource.is_empty()).then(|| audience.join(" ")),
        amr,
        address: from.address.to_string(),
        user_agent: from.user_agent.clone(),
    };
    let session = session::open(id, opening, &issue::policy(issuer, client, from.door), now);
    let ends_at = Timestamp::from_unix(session.ends_at);
    let login = issue::Login { user: &user, session: id, auth_time: now, amr, ends_at };
    let grantee = issue::Grantee { client, login: Some(login), scope, audience };
    let response = issue::access_token(issuer, &ring, grantee, now)?;
    if !client.grants.contains(&Grant::RefreshToken) {
        return Ok((response, session));
    }
    let refresh_token = RefreshToken { session: id, generation: 0 }.encode(ring.mac())?;
    let life = Timestamp::from_unix(session.expires_at).since(now);
    Ok((response.with_refresh_token(refresh_token, life), session))
}

/// What is stored of a login, in one transaction.
#[derive(Clone)]
struct Login {
    client: Client,
    row: UserRow,
    upgrade: Option<String>,
    factor: Option<Factor>,
    session: SessionRow,
    /// Sessions that the user may have; 0: any number.
    most_sessions: u32,
}

enum Opened {
    Yes,
    CodeNeeded,
    CodeSpent,
    UserChanged,
    ClientChanged,
}

impl Opened {
    /// Ends the attempt at the code.
    async fn settle(&self, attempt: Attempt) {
        match self {
            Self::Yes => attempt.succeed().await,
            Self::CodeSpent => attempt.fail().await,
            // It was not spent, and does not count.
            Self::CodeNeeded | Self::UserChanged | Self::ClientChanged => {}
        }
    }
}

impl Login {
    /// Stores the session, unless the user or the client was changed while the password was verified: disabled, deleted,
    /// given another password or a second factor, or fewer scopes.
    async fn store(self, store: &Store) -> Result<Opened, OAuthError> {
        let Self { client: seen, row, upgrade, factor, session, most_sessions } = self;
        let opened = store.write(move |conn| {
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
            match factor {
                Some(factor) if !factor.spend(conn, &row.id)? => return Ok(Opened::CodeSpent),
                None if totp::is_on(conn, &row.id)? => return Ok(Opened::CodeNeeded),
                _ => {}
            }
            sessions::insert(conn, &session)?;
            if most_sessions > 0 {
                sessions::forget_oldest(conn, &row.id, most_sessions.into())?;
            }
            Ok(Opened::Yes)
        });
        Ok(opened.await?)
    }
}

/// The answer to a right password alone: a token with which the code may follow.
async fn mfa_required(
    issuer: &Issuer,
    client: &AuthenticatedClient,
    user_id: String,
    password_hash: &str,
    asked: Asked,
    door: Door,
) -> Result<OAuthError, OAuthError> {
    let token = MfaToken {
        user_id,
        client_id: client.id.clone(),
        in_browser: door == Door::Browser,
        scope: asked.scope,
        resource: asked.resource,
        password: mfa_token::mark(password_hash),
        expires_at: (issuer.clock.now() + mfa_token::LIFETIME).as_unix(),
    };
    let mfa_token = token.encode(issuer.keys.current().await?.mac())?.into();
    Ok(OAuthError::MfaRequired { mfa_token, expires_in: mfa_token::LIFETIME.as_secs() })
}

/// Whether the account was used from this network, as far as its sessions remember. As much work for one that there
/// is not.
pub(super) async fn is_familiar(store: &Store, username_key: &str, from: IpAddr) -> bool {
    let key = username_key.to_owned();
    let addresses = store.read(move |conn| sessions::addresses(conn, &key)).await.unwrap_or_default();
    let of_network = |text: &String| text.parse().is_ok_and(|address| network(address) == network(from));
    addresses.iter().any(of_network)
}
