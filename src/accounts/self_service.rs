//! What users do to their own accounts, once they have given their password again. It holds at the moment of the change or
//! nothing is changed: whoever was logged out, or given another password, while it was looked at is not served.

use crate::clock::Timestamp;
use crate::store::sessions::Selection;
use crate::store::{Conn, Store, StoreError, sessions, users};

/// That a user gave the password in an open session. Not `Debug`: it holds the password's hash.
#[derive(Clone)]
pub struct Confirmation {
    /// Whose password it is.
    pub user: String,
    /// The session's 16 bytes.
    pub session: Vec<u8>,
    /// What the password was verified against.
    pub password_hash: String,
}

impl Confirmation {
    /// Whether it holds still. If so, others change this user before or after the transaction, and not during it.
    pub fn hold(&self, conn: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
        // The lock first: who had it before may have closed the session.
        Ok(users::hold(conn, &self.user, &self.password_hash, now.as_unix())?
            && sessions::is_open(conn, &self.session)?)
    }

    /// The user's other sessions.
    pub fn others(&self) -> Selection {
        Selection::Others { user: self.user.clone(), than: self.session.clone() }
    }
}

/// Sets a new password and closes the other sessions; false when the confirmation does not hold any more.
pub async fn change_password(
    store: &Store,
    confirmation: Confirmation,
    hash: String,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let change = move |conn: &mut Conn| {
        if !confirmation.hold(conn, now)? {
            return Ok(false);
        }
        users::set_password_hash(conn, &confirmation.user, &hash, now.as_unix())?;
        sessions::close_all(conn, &confirmation.others(), "password_changed", now.as_unix())?;
        Ok(true)
    };
    store.write(change).await
}

/// Deletes the user with all sessions; false when the confirmation does not hold any more.
pub async fn delete(store: &Store, confirmation: Confirmation, now: Timestamp) -> Result<bool, StoreError> {
    let delete =
        move |conn: &mut Conn| Ok(confirmation.hold(conn, now)? && users::delete(conn, &confirmation.user)?);
    store.write(delete).await
}
