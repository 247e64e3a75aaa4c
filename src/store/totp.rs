//! Tables `totp` and `recovery_codes`: users' second factor. Secrets arrive here sealed, recovery codes hashed. Whatever
//! turns it on or off locks the user first, as a login does.

use diesel::prelude::*;

use super::schema::{recovery_codes, totp, users};
use super::{Conn, StoreError};

/// A user's authenticator app.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = totp)]
pub struct TotpRow {
    /// Whose.
    pub user_id: String,
    /// Compact JWE.
    pub sealed_secret: String,
    /// Unix seconds; none: the user has not shown a code of it yet, and logins ask for none.
    pub confirmed_at: Option<i64>,
    /// The newest step whose code was accepted.
    pub last_step: i64,
}

/// The user's row, confirmed or not.
pub fn find(conn: &mut Conn, user_id: &str) -> Result<Option<TotpRow>, StoreError> {
    Ok(totp::table.find(user_id).select(TotpRow::as_select()).get_result(conn).optional()?)
}

/// As [`find`], with the user's canonical name.
pub fn find_with_name(conn: &mut Conn, user_id: &str) -> Result<Option<(TotpRow, String)>, StoreError> {
    let query = totp::table.inner_join(users::table).filter(totp::user_id.eq(user_id));
    Ok(query.select((TotpRow::as_select(), users::username_key)).get_result(conn).optional()?)
}

/// Whether the user's logins need a second factor.
pub fn is_on(conn: &mut Conn, user_id: &str) -> Result<bool, StoreError> {
    Ok(find(conn, user_id)?.is_some_and(|row| row.confirmed_at.is_some()))
}

/// Puts an unconfirmed secret in place of another one; false when the user has a confirmed one.
pub fn propose(conn: &mut Conn, user_id: &str, sealed_secret: String) -> Result<bool, StoreError> {
    if is_on(conn, user_id)? {
        return Ok(false);
    }
    diesel::delete(totp::table.find(user_id)).execute(conn)?;
    let row = TotpRow { user_id: user_id.to_owned(), sealed_secret, confirmed_at: None, last_step: 0 };
    diesel::insert_into(totp::table).values(row).execute(conn)?;
    Ok(true)
}

/// Forgets an unconfirmed secret.
pub fn forget_proposal(conn: &mut Conn, user_id: &str) -> Result<(), StoreError> {
    let proposed = totp::table.find(user_id).filter(totp::confirmed_at.is_null());
    diesel::delete(proposed).execute(conn)?;
    Ok(())
}

/// Turns an unconfirmed secret on, as it was read, and spends the step that confirmed it.
pub fn confirm(conn: &mut Conn, seen: &TotpRow, step: i64, now: i64) -> Result<bool, StoreError> {
    let proposed = totp::table
        .find(&seen.user_id)
        .filter(totp::sealed_secret.eq(&seen.sealed_secret))
        .filter(totp::confirmed_at.is_null());
    let change = (totp::confirmed_at.eq(now), totp::last_step.eq(step));
    Ok(diesel::update(proposed).set(change).execute(conn)? == 1)
}

/// Spends a step of the app that was confirmed then, and with it all before it; false when it is spent already, or that
/// app is not the user's any more.
pub fn spend_step(
    conn: &mut Conn,
    user_id: &str,
    step: i64,
    confirmed_at: Option<i64>,
) -> Result<bool, StoreError> {
    let unspent = totp::table
        .find(user_id)
        .filter(totp::confirmed_at.eq(confirmed_at))
        .filter(totp::last_step.lt(step));
    Ok(diesel::update(unspent).set(totp::last_step.eq(step)).execute(conn)? == 1)
}

/// Forgets the user's app and recovery codes; false when there was no app.
pub fn remove(conn: &mut Conn, user_id: &str) -> Result<bool, StoreError> {
    replace_recovery_codes(conn, user_id, &[])?;
    Ok(diesel::delete(totp::table.find(user_id)).execute(conn)? == 1)
}

/// Whether this is the hash of an unused recovery code.
pub fn has_recovery_code(conn: &mut Conn, user_id: &str, hash: &[u8]) -> Result<bool, StoreError> {
    let codes = recovery_codes::table.find((user_id, hash));
    Ok(codes.count().get_result::<i64>(conn)? == 1)
}

/// How many are unused.
pub fn count_recovery_codes(conn: &mut Conn, user_id: &str) -> Result<i64, StoreError> {
    Ok(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id)).count().get_result(conn)?)
}

/// Spends a recovery code; false when there is none of this hash, or not any more.
pub fn spend_recovery_code(conn: &mut Conn, user_id: &str, hash: &[u8]) -> Result<bool, StoreError> {
    Ok(diesel::delete(recovery_codes::table.find((user_id, hash))).execute(conn)? == 1)
}

/// Puts new recovery codes, by their hashes, in place of all there were.
pub fn replace_recovery_codes(conn: &mut Conn, user_id: &str, hashes: &[Vec<u8>]) -> Result<(), StoreError> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(conn)?;
    for hash in hashes {
        let row = (recovery_codes::user_id.eq(user_id), recovery_codes::hash.eq(hash));
        diesel::insert_into(recovery_codes::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// The next users' sealed secrets, after this user.
pub fn page(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<(String, String)>, StoreError> {
    let next = totp::table.filter(totp::user_id.gt(after)).order(totp::user_id.asc()).limit(limit);
    Ok(next.select((totp::user_id, totp::sealed_secret)).load(conn)?)
}

/// Puts the same secret, sealed anew, in place of what was read; nothing happens when that has changed meanwhile.
pub fn reseal(conn: &mut Conn, user_id: &str, old: &str, new: &str) -> Result<(), StoreError> {
    let seen = totp::table.find(user_id).filter(totp::sealed_secret.eq(old));
    diesel::update(seen).set(totp::sealed_secret.eq(new)).execute(conn)?;
    Ok(())
}
