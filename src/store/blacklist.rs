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

/// PostgreSQL's advisory lock of whoever purges: "purge" in ASCII.
const TURN: i64 = 0x70_7572_6765;

/// Whether this transaction is the one that purges: two at once would wait for each other's rows.
pub fn take_turn(conn: &mut Conn) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Turn {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        mine: bool,
    }
    match conn {
        Conn::Sqlite(_) => Ok(true), // writing transactions exclude each other
        Conn::Postgres(inner) => {
            let query = diesel::sql_query(format!("SELECT pg_try_advisory_xact_lock({TURN}) AS mine"));
            Ok(query.get_result::<Turn>(inner)?.mine)
        }
    }
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
