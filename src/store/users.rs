//! Table `users`.

use diesel::prelude::*;

use super::schema::users;
use super::{Conn, StoreError};

/// A user's row; not `Debug`, because it holds a password hash.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct UserRow {
    /// The `sub` claim.
    pub id: String,
    /// As it was entered.
    pub username: String,
    /// As it is looked up.
    pub username_key: String,
    /// Optional address.
    pub email: Option<String>,
    /// PHC string.
    pub password_hash: String,
    /// Space-separated; none: whatever the client may have.
    pub scopes: Option<String>,
    /// JSON object.
    pub claims: String,
    /// Refused everywhere while true.
    pub disabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Unix seconds.
    pub last_login_at: Option<i64>,
}

/// Adds a user; [`StoreError::Conflict`] when the name is taken.
pub fn insert(conn: &mut Conn, user: &UserRow) -> Result<(), StoreError> {
    diesel::insert_into(users::table).values(user).execute(conn)?;
    Ok(())
}

/// The user with this canonical name.
pub fn find_by_key(conn: &mut Conn, key: &str) -> Result<Option<UserRow>, StoreError> {
    let query = users::table.filter(users::username_key.eq(key)).select(UserRow::as_select());
    Ok(query.get_result(conn).optional()?)
}

/// The user with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<UserRow>, StoreError> {
    Ok(users::table.find(id).select(UserRow::as_select()).get_result(conn).optional()?)
}

/// Everybody, by name.
pub fn list(conn: &mut Conn) -> Result<Vec<UserRow>, StoreError> {
    Ok(users::table.order(users::username_key.asc()).select(UserRow::as_select()).load(conn)?)
}

/// Notes a login, provided that the user is still enabled and still has the password that was verified. The update
/// locks the row, so that a concurrent disabling or password change comes wholly before or wholly after.
pub fn record_login(conn: &mut Conn, id: &str, verified_hash: &str, now: i64) -> Result<bool, StoreError> {
    let current = users::table
        .find(id)
        .filter(users::disabled.eq(false))
        .filter(users::password_hash.eq(verified_hash));
    Ok(diesel::update(current).set(users::last_login_at.eq(now)).execute(conn)? == 1)
}

/// Replaces one hash of the same password by another; nothing happens when it has changed meanwhile.
pub fn upgrade_hash(conn: &mut Conn, id: &str, old: &str, new: &str) -> Result<(), StoreError> {
    let current = users::table.find(id).filter(users::password_hash.eq(old));
    diesel::update(current).set(users::password_hash.eq(new)).execute(conn)?;
    Ok(())
}

/// Sets a new password's hash; false when there is no such user.
pub fn set_password_hash(conn: &mut Conn, id: &str, hash: &str, now: i64) -> Result<bool, StoreError> {
    let change = (users::password_hash.eq(hash), users::updated_at.eq(now));
    Ok(diesel::update(users::table.find(id)).set(change).execute(conn)? == 1)
}

/// Disables or enables; false when there is no such user.
pub fn set_disabled(conn: &mut Conn, id: &str, disabled: bool, now: i64) -> Result<bool, StoreError> {
    let change = (users::disabled.eq(disabled), users::updated_at.eq(now));
    Ok(diesel::update(users::table.find(id)).set(change).execute(conn)? == 1)
}

/// Deletes a user with all sessions; false when there is no such user.
pub fn delete(conn: &mut Conn, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(users::table.find(id)).execute(conn)? == 1)
}
