//! Turning the second factor on and off, each in one transaction that locks the user first: a login under way comes wholly
//! before or wholly after.

use crate::accounts::User;
use crate::clock::Timestamp;
use crate::store::sessions::{self, Selection};
use crate::store::{Conn, Store, StoreError, totp as table, users};

/// Whether the user's logins need a code.
pub async fn is_on(store: &Store, user: &User) -> Result<bool, StoreError> {
    let id = user.id.clone();
    store.read(move |conn| table::is_on(conn, &id)).await
}

/// For a user who lost both the app and the recovery codes: takes the second factor away and closes the sessions. False
/// when there was none.
pub async fn reset(store: &Store, user: &User, now: Timestamp) -> Result<bool, StoreError> {
    let id = user.id.clone();
    let reset = move |conn: &mut Conn| {
        users::lock(conn, &id, now.as_unix())?;
        let was_on = table::is_on(conn, &id)?;
        table::remove(conn, &id)?;
        if was_on {
            sessions::close_all(conn, &Selection::User(id), "totp_reset", now.as_unix())?;
        }
        Ok(was_on)
    };
    store.write(reset).await
}
