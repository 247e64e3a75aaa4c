//! Access tokens refused before they expire. (Spent refresh tokens and closed sessions are refused by their session.)

use crate::clock::Timestamp;
use crate::store::{Conn, Store, StoreError, blacklist as table, clients, sessions};
use crate::tokens::AccessClaims;
use crate::tokens::session::SessionId;

/// Rows that one purge deletes at the most, so that it does not hold up the writes behind it.
const BATCH: i64 = 500;
/// Batches of one purge at the most; the rest waits for the next.
const BATCHES: usize = 20;

/// Refuses a token from now until it expires. Doing it twice is no error.
pub async fn add(store: &Store, claims: &AccessClaims) -> Result<(), StoreError> {
    let (jti, exp) = (claims.jti.clone(), claims.exp);
    match store.execute(move |conn| table::insert(conn, &jti, exp)).await {
        Err(StoreError::Conflict(_)) => Ok(()),
        other => other,
    }
}

/// Whether a token that verifies is refused all the same: it was revoked, or its session is closed or gone, or its
/// client if there is no session.
pub fn refuses(conn: &mut Conn, claims: &AccessClaims) -> Result<bool, StoreError> {
    if table::contains(conn, &claims.jti)? {
        return Ok(true);
    }
    let Some(sid) = &claims.sid else {
        // A client's own token has no session to close. One of the same id that was made later is another client.
        let client = clients::find(conn, &claims.client_id)?;
        return Ok(client.is_none_or(|client| client.disabled || claims.iat < client.created_at));
    };
    let Some(id) = SessionId::parse(sid) else { return Ok(true) };
    Ok(sessions::find(conn, id.as_bytes())?.is_none_or(|session| session.closed_at.is_some()))
}

/// Deletes what need not be remembered any more, in small batches: entries whose token has expired, and sessions
/// whose last access token has.
pub async fn purge(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    let ended = now - crate::config::MAX_ACCESS_TOKEN_LIFETIME;
    let mut purged = 0;
    for _ in 0..BATCHES {
        let deleted = store
            .write(move |conn| {
                Ok(table::purge_expired(conn, now.as_unix(), BATCH)?
                    + sessions::purge_ended(conn, ended.as_unix(), BATCH)?)
            })
            .await?;
        purged += deleted;
        if deleted == 0 {
            break;
        }
    }
    Ok(purged)
}
