//! Who is logged in in a browser: the open session behind a cookie, and its user. To look at it spends nothing. Whatever
//! else than the cookie a change of the account takes is asked for here, too.

use super::shown::{Holder, Shown};
use super::{Issuer, OAuthError, Reason};
use crate::accounts::User;
use crate::accounts::password::{Password, Verdict};
use crate::accounts::self_service::Confirmation;
use crate::store::users;
use crate::tokens::session::{self, Standing};
use crate::tokens::{RefreshToken, Session, SessionId, csrf};

/// A login that still holds.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// It is open, and `browser.client`'s.
    pub session: Session,
    /// Enabled.
    pub user: User,
}

impl Issuer {
    /// Who is behind a cookie. A token that would be exchanged is good.
    pub async fn logged_in(&self, token: &str) -> Result<LoggedIn, OAuthError> {
        let refused = |reason| OAuthError::InvalidGrant(reason);
        let shown = Shown::read_hot(self, token).await?.ok_or(refused(Reason::Malformed))?;
        let Holder { session, user, client } = shown.holder.ok_or(refused(Reason::UnknownSession))?;
        tracing::Span::current().record("user", user.id.as_str());
        if self.browser_client()? != client.id {
            return Err(refused(Reason::ForeignClient));
        }
        let leeway = self.settings.browser.reuse_leeway;
        match session::judge(&session, shown.token.generation, leeway, self.clock.now()) {
            Standing::Current | Standing::Repeat => {}
            Standing::Reused => return Err(refused(Reason::Reused)),
            Standing::Closed => return Err(refused(Reason::Closed)),
            Standing::Expired => return Err(refused(Reason::Expired)),
        }
        if user.disabled || client.disabled {
            return Err(refused(Reason::UserDisabled));
        }
        Ok(LoggedIn { session, user })
    }

    /// The session of a cookie's refresh token, which must be the one that the CSRF token is for.
    pub async fn check_csrf(&self, token: &str, csrf_token: Option<&str>) -> Result<SessionId, OAuthError> {
        let session = self.session_of(token).await?;
        let ring = self.keys.current().await?;
        if csrf_token.is_some_and(|text| csrf::verify(text, session, ring.mac())) {
            return Ok(session);
        }
        Err(OAuthError::AccessDenied("the header X-CSRF-Token is missing or not this session's"))
    }

    /// The session that a cookie's refresh token is of, be it open or not.
    pub(super) async fn session_of(&self, token: &str) -> Result<SessionId, OAuthError> {
        let ring = self.keys.current().await?;
        let token = RefreshToken::decode(token, ring.mac());
        token.map(|token| token.session).ok_or(OAuthError::InvalidGrant(Reason::Malformed))
    }

    /// Asks for the password again, before what a stolen cookie must not do. Wrong ones are counted for the session: a
    /// thief's neither keep the owner from logging in nor count for more than those at the login.
    pub(super) async fn confirm_password(
        &self,
        login: &LoggedIn,
        password: &str,
    ) -> Result<Confirmation, OAuthError> {
        let password = Password::parse(password).map_err(OAuthError::InvalidRequest)?;
        self.passwords.check_room()?;
        let attempt = self.lockout.admit_confirmation(&login.session.id.to_string()).await?;
        let place = self.passwords.reserve()?;
        let id = login.user.id.clone();
        let row = self.store.unreserved().read(move |conn| users::find(conn, &id)).await?;
        let stored = row.map(|row| row.password_hash);
        let (verdict, attempt) = self.passwords.verify(place, password, stored.clone(), attempt).await?;
        let (Some(password_hash), Verdict::Matches { .. }) = (stored, verdict) else {
            attempt.fail().await;
            return Err(OAuthError::InvalidGrant(Reason::WrongCurrentPassword));
        };
        attempt.succeed().await;
        let session = login.session.id.as_bytes().to_vec();
        Ok(Confirmation { user: login.user.id.clone(), session, password_hash })
    }
}

/// Whether a change was made while its confirmation held. A retry is judged by what holds now.
pub(super) fn if_held(held: bool) -> Result<(), OAuthError> {
    let changed = || OAuthError::Unavailable("the account was changed meanwhile".to_owned());
    held.then_some(()).ok_or_else(changed)
}
