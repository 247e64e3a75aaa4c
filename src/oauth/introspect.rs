//! `POST /introspect` (RFC 7662): whether a token is good, for confidential clients that cannot or will not judge
//! offline. Whatever is not valid is `{"active":false}` and no more.

use serde::Serialize;

use super::{Issuer, OAuthError, Request, client_auth};
use crate::store::{Conn, StoreError, sessions, users};
use crate::tokens::session::{Standing, judge};
use crate::tokens::{AccessClaims, RefreshToken, Session, access_token, blacklist};

/// RFC 7662 section 2.2.
#[derive(Debug, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    token: Option<ActiveToken>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ActiveToken {
    Access {
        token_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        username: Option<String>,
        #[serde(flatten)]
        claims: Box<AccessClaims>,
    },
    Refresh {
        token_type: &'static str,
        client_id: String,
        sub: String,
        username: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        scope: String,
        sid: String,
        iat: i64,
        exp: i64,
        iss: String,
    },
}

impl Issuer {
    /// Tells a confidential client about the form's `token`.
    pub async fn introspect(&self, request: &Request) -> Result<Introspection, OAuthError> {
        let store = self.store.unreserved();
        let client = client_auth::authenticate(self, &store, request, None).await?;
        if client.is_public() {
            return Err(OAuthError::InvalidClient {
                reason: "introspection is for confidential clients",
                basic: client.basic,
            });
        }
        let token = request.form.require("token")?;
        let ring = self.keys.current().await?;
        let now = self.clock.now();
        let found = if let Some(claims) = access_token::verify(&ring, token, &self.url, now) {
            if blacklist::knows(&store, &claims).await {
                return Ok(Introspection { active: false, token: None });
            }
            store.read(move |conn| active_access(conn, claims)).await?
        } else if let Some(token) = RefreshToken::decode(token, ring.mac()) {
            let iss = self.url.to_string();
            store.read(move |conn| active_refresh(conn, token, now, iss)).await?
        } else {
            None
        };
        Ok(Introspection { active: found.is_some(), token: found })
    }
}

fn active_access(conn: &mut Conn, claims: AccessClaims) -> Result<Option<ActiveToken>, StoreError> {
    if blacklist::refuses(conn, &claims)? {
        return Ok(None);
    }
    let user = if claims.sid.is_some() { users::find(conn, &claims.sub)? } else { None };
    let username = user.map(|user| user.username);
    Ok(Some(ActiveToken::Access { token_type: "Bearer", username, claims: Box::new(claims) }))
}

fn active_refresh(
    conn: &mut Conn,
    token: RefreshToken,
    now: crate::clock::Timestamp,
    iss: String,
) -> Result<Option<ActiveToken>, StoreError> {
    let Some((session, user)) = sessions::find_with_user(conn, token.session.as_bytes())? else {
        return Ok(None);
    };
    let session = Session::from_row(&session)?;
    // Asking spends nothing and forgives nothing: only the current token is active.
    if judge(&session, token.generation, std::time::Duration::ZERO, now) != Standing::Current {
        return Ok(None);
    }
    Ok(Some(ActiveToken::Refresh {
        token_type: "refresh_token",
        client_id: session.client_id,
        sub: session.user_id,
        username: user.username,
        scope: session.scope,
        sid: session.id.to_string(),
        iat: session.advanced_at.as_unix(),
        exp: session.expires_at.as_unix(),
        iss,
    }))
}
