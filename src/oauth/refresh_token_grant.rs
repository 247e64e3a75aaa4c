//! `grant_type=refresh_token` (RFC 6749 section 6): exchanges a refresh token, once. The access token is signed before
//! the swap, so that after the swap only the network can fail.

use super::client_auth::AuthenticatedClient;
use super::request::Asked;
use super::shown::{Holder, Shown};
use super::{Door, Issuer, OAuthError, Reason, TokenResponse, issue, rules};
use crate::accounts::{Grant, Scopes, User};
use crate::clock::Timestamp;
use crate::keys::Ring;
use crate::tokens::session::{self, Policy, Standing};
use crate::tokens::{RefreshToken, Rotation, Session, blacklist};

pub(super) async fn run(
    issuer: &Issuer,
    client: &AuthenticatedClient,
    shown: Option<Shown>,
    asked: &Asked,
    door: Door,
) -> Result<TokenResponse, OAuthError> {
    if !client.grants.contains(&Grant::RefreshToken) {
        return Err(OAuthError::UnauthorizedClient("the client may not use the refresh_token grant"));
    }
    let now = issuer.clock.now();
    let ring = issuer.keys.current().await?;
    let Shown { token: presented, holder } = shown.ok_or(OAuthError::InvalidGrant(Reason::Malformed))?;
    let Holder { session, user, .. } = holder.ok_or(OAuthError::InvalidGrant(Reason::UnknownSession))?;
    tracing::Span::current().record("user", user.id.as_str());
    if session.client_id != client.id {
        return Err(OAuthError::InvalidGrant(Reason::ForeignClient));
    }
    let policy = issue::policy(issuer, client, door);
    let response = match session::judge(&session, presented.generation, policy.leeway, now) {
        Standing::Current | Standing::Repeat => {
            Some(sign(issuer, &ring, client, &session, &user, asked, now)?)
        }
        // Nothing to sign: straight to closing the session.
        Standing::Reused => None,
        Standing::Closed => {
            blacklist::note_closed(&issuer.store, session.id).await;
            return Err(OAuthError::InvalidGrant(Reason::Closed));
        }
        Standing::Expired => return Err(OAuthError::InvalidGrant(Reason::Expired)),
    };
    let good = exchange(issuer, &session, presented, policy, now).await?;
    let response = response.ok_or(OAuthError::InvalidGrant(Reason::Reused))?;
    // Of a repeated one a moment less is left, no longer than the leeway.
    let life = session.ends_at.min(now + policy.idle).since(now);
    Ok(response.with_refresh_token(good.encode(ring.mac())?, life))
}

/// The access token. Its scope is what is left of the grant by what the client and the user may have today.
fn sign(
    issuer: &Issuer,
    ring: &Ring,
    client: &AuthenticatedClient,
    session: &Session,
    user: &User,
    asked: &Asked,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    if user.disabled {
        return Err(OAuthError::InvalidGrant(Reason::UserDisabled));
    }
    let granted = Scopes::parse(&session.scope).map_err(OAuthError::Internal)?;
    let scope = rules::refresh_scope(asked, &granted, &user.allowed(&client.scopes))?;
    let audience = rules::audience(asked, &granted_audience(issuer, client, session))?;
    let login = issue::Login {
        user,
        session: session.id,
        auth_time: session.created_at,
        amr: &session.amr,
        ends_at: session.ends_at,
    };
    issue::access_token(issuer, ring, issue::Grantee { client, login: Some(login), scope, audience }, now)
}

/// What was granted at the login, as far as the client may still have it.
fn granted_audience(issuer: &Issuer, client: &AuthenticatedClient, session: &Session) -> Vec<String> {
    let mut allowed = issue::allowed_audience(issuer, client);
    if let Some(resource) = &session.resource {
        allowed.retain(|audience| resource.split(' ').any(|granted| granted == audience));
    }
    allowed
}

/// The swap: the token that is good from now on, or why there is none.
async fn exchange(
    issuer: &Issuer,
    session: &Session,
    presented: RefreshToken,
    policy: Policy,
    now: Timestamp,
) -> Result<RefreshToken, OAuthError> {
    match session::rotate(&issuer.store, session, presented, policy, now).await? {
        Rotation::Advanced(good) | Rotation::Repeated(good) | Rotation::Kept(good) => Ok(good),
        Rotation::Reused => {
            tracing::warn!(
                target: "chancery::audit", event = "refresh_token_reused", session = %session.id,
                generation = presented.generation, user = session.user_id, client = session.client_id,
                "a spent refresh token was shown again: its session is closed"
            );
            Err(OAuthError::InvalidGrant(Reason::Reused))
        }
        Rotation::Refused => Err(OAuthError::InvalidGrant(Reason::Closed)),
    }
}
