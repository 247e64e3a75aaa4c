//! `GET /userinfo`: who the bearer of an access token is (RFC 6750; the names are OpenID Connect's).

use serde_json::{Map, Value};

use super::{Issuer, OAuthError, Reason};
use crate::accounts::User;
use crate::store::users;
use crate::tokens::{access_token, blacklist};

impl Issuer {
    /// Tells who the bearer of this `Authorization` header is.
    pub async fn userinfo(&self, authorization: Option<&str>) -> Result<Map<String, Value>, OAuthError> {
        let token = authorization.and_then(bearer).ok_or(OAuthError::InvalidToken(Reason::Missing))?;
        let refused = |reason| OAuthError::InvalidToken(reason);
        let claims = access_token::verify(&*self.keys.current().await?, token, &self.url, self.clock.now())
            .ok_or(refused(Reason::Malformed))?;
        let store = self.store.unreserved();
        if blacklist::knows(&store, &claims).await {
            return Err(refused(Reason::Closed));
        }
        let find = move |conn: &mut _| {
            if blacklist::refuses(conn, &claims)? {
                return Ok(None);
            }
            let user = if claims.sid.is_some() { users::find(conn, &claims.sub)? } else { None };
            Ok(Some((claims, user)))
        };
        let (claims, row) = store.read(find).await?.ok_or(refused(Reason::Closed))?;
        let user = row.as_ref().map(User::from_row).transpose()?;
        let mut info = claims.extra;
        // What the account says goes over extra claims of the same name.
        info.insert("sub".to_owned(), claims.sub.into());
        info.insert("client_id".to_owned(), claims.client_id.into());
        if let Some(user) = user {
            info.insert("preferred_username".to_owned(), user.username.into());
            info.extend(user.email.map(|email| ("email".to_owned(), email.into())));
        }
        Ok(info)
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
