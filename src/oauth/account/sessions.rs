//! The sessions of whoever is logged in: all that are open, through whatever client, and ending them.

use serde::Serialize;

use crate::oauth::{Issuer, LoggedIn, OAuthError};
use crate::store::sessions::{self as table, Selection};
use crate::tokens::{Session, SessionId, blacklist, session};

/// Why they are closed.
const REASON: &str = "ended_by_user";
/// More are not shown.
const MOST: i64 = 1000;

/// What the user may know of one of the sessions. Times are Unix seconds.
#[derive(Debug, Serialize)]
pub struct OwnSession {
    sid: String,
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    created_at: i64,
    last_used_at: i64,
    expires_at: i64,
    /// Whether it is the one that asks.
    current: bool,
}

impl Issuer {
    /// The open sessions, the last used first.
    pub async fn own_sessions(&self, login: &LoggedIn) -> Result<Vec<OwnSession>, OAuthError> {
        let (user, now) = (login.user.id.clone(), self.clock.now().as_unix());
        let find = move |conn: &mut _| table::open_of_user(conn, &user, now, MOST);
        let rows = self.store.unreserved().read(find).await?;
        let sessions = rows.iter().map(Session::from_row).collect::<Result<Vec<_>, _>>()?;
        Ok(sessions.into_iter().map(|session| describe(session, login.session.id)).collect())
    }

    /// Ends one of them; true when it was the one that asks.
    pub async fn end_own_session(&self, login: &LoggedIn, sid: &str) -> Result<bool, OAuthError> {
        let missing = || OAuthError::NotFound("there is no such session");
        let id = SessionId::parse(sid).ok_or_else(missing)?;
        let (user, now) = (login.user.id.clone(), self.clock.now().as_unix());
        let close = move |conn: &mut _| table::close_of_user(conn, id.as_bytes(), &user, REASON, now);
        if !self.store.execute(close).await? {
            return Err(missing());
        }
        blacklist::note_closed(&self.store, id).await;
        Ok(id == login.session.id)
    }

    /// Ends all but the one that asks, and counts them.
    pub async fn end_other_sessions(&self, login: &LoggedIn) -> Result<usize, OAuthError> {
        let others =
            Selection::Others { user: login.user.id.clone(), than: login.session.id.as_bytes().to_vec() };
        Ok(session::close_all(&self.store, &others, REASON, self.clock.now()).await?)
    }
}

fn describe(session: Session, current: SessionId) -> OwnSession {
    OwnSession {
        current: session.id == current,
        sid: session.id.to_string(),
        client_id: session.client_id,
        address: session.address,
        user_agent: session.user_agent,
        created_at: session.created_at.as_unix(),
        last_used_at: session.advanced_at.as_unix(),
        expires_at: session.expires_at.as_unix(),
    }
}
