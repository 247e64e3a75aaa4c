//! From what was granted to a signed access token and the answer that carries it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::{Door, Issuer, OAuthError};
use crate::accounts::{Client, Scopes, User};
use crate::clock::Timestamp;
use crate::keys::Ring;
use crate::tokens::claims::Audience;
use crate::tokens::session::Policy;
use crate::tokens::{AccessClaims, SessionId, access_token};

/// RFC 6749 section 5.1.
#[derive(Serialize)]
pub struct TokenResponse {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose")]
    access_token: Option<SecretString>,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "expose_refresh")]
    refresh_token: Option<RefreshGrant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// A refresh token, and for how long it is good.
pub struct RefreshGrant {
    /// As the client holds it.
    pub token: SecretString,
    /// Unless it is used.
    pub life: Duration,
}

/// The login behind a token.
pub(super) struct Login<'a> {
    pub user: &'a User,
    pub session: SessionId,
    pub auth_time: Timestamp,
    pub amr: &'a str,
    pub ends_at: Timestamp,
}

/// What an access token says.
pub(super) struct Grantee<'a> {
    pub client: &'a Client,
    /// None: the client acts for itself.
    pub login: Option<Login<'a>>,
    pub scope: Scopes,
    /// Not empty: see [`super::rules::audience`].
    pub audience: Vec<String>,
}

/// Signs an access token; the answer still lacks a refresh token.
pub(super) fn access_token(
    issuer: &Issuer,
    ring: &Ring,
    grantee: Grantee<'_>,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    let (client, login) = (grantee.client, grantee.login.as_ref());
    let settings = &issuer.settings.tokens;
    let lifetime = client.access_token_lifetime.unwrap_or(settings.access_token_lifetime);
    // The client may have been set up under other settings: its tokens do not outlive their key all the same.
    let lifetime = lifetime.min(issuer.settings.keys.longest_token());
    // A session's last access token ends with it.
    let exp = login.map_or(now + lifetime, |login| login.ends_at.min(now + lifetime));
    let scope = Some(grantee.scope).filter(|scope| !scope.is_empty()).map(|scope| scope.to_string());
    let extra =
        login.map_or_else(|| client.claims.clone(), |login| client.claims.merged_with(&login.user.claims));
    let claims = AccessClaims {
        iss: issuer.url.to_string(),
        sub: login.map_or(&client.id, |login| &login.user.id).clone(),
        aud: Audience::of(grantee.audience),
        exp: exp.as_unix(),
        iat: now.as_unix(),
        jti: Uuid::new_v4().to_string(),
        client_id: client.id.clone(),
        scope: scope.clone(),
        sid: login.map(|login| login.session.to_string()),
        auth_time: login.map(|login| login.auth_time.as_unix()),
        amr: login.map(|login| login.amr.split(' ').map(ToOwned::to_owned).collect()),
        extra: extra.as_map().clone(),
    };
    let typ = client.token_type.unwrap_or(settings.token_type);
    Ok(TokenResponse {
        access_token: Some(access_token::sign(ring, &claims, typ)?.into()),
        token_type: "Bearer",
        expires_in: exp.since(now).as_secs(),
        refresh_token: None,
        scope,
    })
}

/// The audiences that a client may have: its own, or those of the setting, or the issuer.
pub(super) fn allowed_audience(issuer: &Issuer, client: &Client) -> Vec<String> {
    match (&client.audience, issuer.settings.tokens.audience.as_slice()) {
        (Some(own), _) => own.clone(),
        (None, []) => vec![issuer.url.to_string()],
        (None, list) => list.to_vec(),
    }
}

/// How a client's refresh tokens live.
pub(super) fn policy(issuer: &Issuer, client: &Client, door: Door) -> Policy {
    let settings = &issuer.settings.tokens;
    Policy {
        rotation: client.refresh_rotation,
        leeway: match door {
            Door::Clients => client.refresh_reuse_leeway.unwrap_or(settings.refresh_reuse_leeway),
            Door::Browser => issuer.settings.browser.reuse_leeway,
        },
        idle: client.refresh_idle_lifetime.unwrap_or(settings.refresh_idle_lifetime),
        absolute: client.refresh_absolute_lifetime.unwrap_or(settings.refresh_absolute_lifetime),
    }
}

impl TokenResponse {
    /// With the refresh token that is good from now on.
    pub(super) fn with_refresh_token(mut self, token: String, life: Duration) -> Self {
        self.refresh_token = Some(RefreshGrant { token: token.into(), life });
        self
    }

    /// Leaves it out of the body.
    pub(super) fn take_refresh_token(&mut self) -> Option<RefreshGrant> {
        self.refresh_token.take()
    }

    /// Leaves it out of the body.
    pub fn take_access_token(&mut self) -> Option<SecretString> {
        self.access_token.take()
    }

    /// How long the access token lives.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.expires_in)
    }
}

// serde passes references to the fields.

#[allow(clippy::ref_option)]
fn expose<S: serde::Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}

#[allow(clippy::ref_option)]
fn expose_refresh<S: serde::Serializer>(
    grant: &Option<RefreshGrant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    grant.as_ref().map(|grant| grant.token.expose_secret()).serialize(serializer)
}
