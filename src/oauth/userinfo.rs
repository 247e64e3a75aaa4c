//! `GET /userinfo`: who the bearer of an access token is (RFC 6750; the names are OpenID Connect's).

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Issuer, OAuthError, Reason};
use crate::accounts::User;
use crate::store::users;
use crate::tokens::{access_token, blacklist};

/// The bearer.
#[derive(Debug, Serialize)]
pub struct UserInfo {
    sub: String,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

impl Issuer {
    /// Tells who the bearer of this `Authorization` header is.
    pub async fn userinfo(&self, authorization: Option<&str>) -> Result<UserInfo, OAuthError> {
        let token = authorization.and_then(bearer).ok_or(OAuthError::InvalidToken(None))?;
        let refused = |reason| OAuthError::InvalidToken(Some(reason));
        let claims = access_token::verify(&self.keys.ring(), token, &self.url, self.clock.now())
            .ok_or(refused(Reason::Malformed))?;
        let find = move |conn: &mut _| {
            if blacklist::refuses(conn, &claims)? {
                return Ok(None);
            }
            let user = if claims.sid.is_some() { users::find(conn, &claims.sub)? } else { None };
            Ok(Some((claims, user)))
        };
        let (claims, row) = self.store.read(find).await?.ok_or(refused(Reason::Closed))?;
        let user = row.as_ref().map(User::from_row).transpose()?;
        Ok(UserInfo {
            sub: claims.sub,
            client_id: claims.client_id,
            preferred_username: user.as_ref().map(|user| user.username.clone()),
            email: user.and_then(|user| user.email),
            extra: claims.extra,
        })
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
