//! `POST /revoke` (RFC 7009). A refresh token ends its session and every access token of it; an access token is
//! blacklisted alone. Tokens that are unknown or another client's are left as they are, without a word.

use super::{Issuer, OAuthError, Request, client_auth};
use crate::store::sessions;
use crate::tokens::{RefreshToken, access_token, blacklist, session};

impl Issuer {
    /// Revokes the form's `token`. Success means that it is refused from now on, or was never good.
    pub async fn revoke(&self, request: &Request) -> Result<(), OAuthError> {
        let client = client_auth::identify(self, request).await?;
        let token = request.form.require("token")?;
        // Nobody is named, not even by the token: there is nothing to revoke.
        let Some(client) = client else { return Ok(()) };
        let ring = self.keys.current().await?;
        let now = self.clock.now();
        if let Some(claims) = access_token::verify(&ring, token, &self.url, now) {
            if claims.client_id == client.id {
                blacklist::add(&self.store, &claims).await?;
            }
        } else if let Some(token) = RefreshToken::decode(token, ring.mac()) {
            let id = client.id.clone();
            let close = move |conn: &mut _| {
                // Spent tokens count too: whoever holds one means this session.
                match sessions::find(conn, token.session.as_bytes())? {
                    Some(found) if found.client_id == id => {
                        session::close(conn, token.session, "revoked", now)
                    }
                    _ => Ok(false),
                }
            };
            self.store.write(close).await?;
        }
        Ok(())
    }
}
