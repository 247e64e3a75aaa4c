//! Table `blacklist`: access tokens revoked before they expired.

use diesel::prelude::*;

use super::schema::blacklist;
use super::{Conn, StoreError};

/// Puts a token's id on the list until it expires; [`StoreError::Conflict`] when it stands there already.
pub fn insert(conn: &mut Conn, jti: &str, expires_at: i64) -> Result<(), StoreError> {
    let row = (blacklist::jti.eq(jti), blacklist::expires_at.eq(expires_at));
    diesel::insert_into(blacklist::table).values(row).execute(conn)?;
    Ok(())
}

/// Whether a token's id is on the list.
pub fn contains(conn: &mut Conn, jti: &str) -> Result<bool, StoreError> {
    Ok(blacklist::table.find(jti).select(blacklist::jti).get_result::<String>(conn).optional()?.is_some())
}

/// Deletes at most `limit` entries whose token has expired by `now`, and counts them.
pub fn purge_expired(conn: &mut Conn, now: i64, limit: i64) -> Result<usize, StoreError> {
    let expired: Vec<String> = blacklist::table
        .filter(blacklist::expires_at.le(now))
        .select(blacklist::jti)
        .limit(limit)
        .load(conn)?;
    Ok(diesel::delete(blacklist::table.filter(blacklist::jti.eq_any(expired))).execute(conn)?)
}
