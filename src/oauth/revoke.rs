//! `POST /revoke` (RFC 7009). A refresh token ends its session and every access token of it; an access token is
//! blacklisted alone. Tokens that are unknown or another client's are left as they are, without a word.

use super::shown::{Holder, Shown};
use super::{Issuer, OAuthError, Request, client_auth};
use crate::tokens::{access_token, blacklist, session};

impl Issuer {
    /// Revokes the form's `token`. Success means that it is refused from now on, or was never good.
    pub async fn revoke(&self, request: &Request) -> Result<(), OAuthError> {
        let token = request.form.require("token")?;
        // Not from Redis: it is the database that must have it.
        let shown = Shown::read(self, token).await?;
        let store = if shown.is_some() { &self.store } else { &self.store.unreserved() };
        let client = client_auth::identify(self, store, request, shown.as_ref()).await?;
        // Nobody is named, not even by the token: there is nothing to revoke.
        let Some(client) = client else { return Ok(()) };
        let now = self.clock.now();
        if let Some(Shown { holder, .. }) = shown {
            // Spent tokens count too: whoever holds one means this session.
            if let Some(Holder { session, .. }) = holder.filter(|holder| holder.client.id == client.id) {
                session::close(&self.store, session.id, "revoked", now).await?;
            }
        } else if let Some(claims) = access_token::verify(&*self.keys.current().await?, token, &self.url, now)
            && claims.client_id == client.id
        {
            blacklist::add(&self.store, &claims, now).await?;
        }
        Ok(())
    }
}
