//! What is refused before it expires: access tokens that were revoked, and closed sessions with all their tokens. SQL
//! decides; Redis has a hot copy, of which only this counts: what stands there is refused, for good, so the database need
//! not be asked. What does not stand there may be refused all the same: an instance that is cut off from Redis cannot enter
//! what it revokes, and others must not take that for an answer. Entries are made after the COMMIT and, when Redis lost a
//! closed session, again when its refresh token is next shown.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::{Conn, Store, StoreError, blacklist as table, clients, sessions};
use crate::tokens::AccessClaims;
use crate::tokens::SessionId;

/// Rows that one purge deletes at the most, so that it does not hold up the writes behind it.
const BATCH: i64 = 500;
/// Batches of one purge at the most; the rest waits for the next. Half a million rows a minute is more than logins make.
const BATCHES: usize = 1000;

/// How long a closed session stands in Redis, after it was closed or last asked for.
const HOT: Duration = Duration::from_secs(3600);

/// Refuses a token from now until it expires. Doing it twice is no error.
pub async fn add(store: &Store, claims: &AccessClaims, now: Timestamp) -> Result<(), StoreError> {
    let (jti, exp) = (claims.jti.clone(), claims.exp);
    match store.execute(move |conn| table::insert(conn, &jti, exp)).await {
        Ok(()) | Err(StoreError::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    store.redis().put(&token_key(claims), Timestamp::from_unix(exp).since(now)).await;
    Ok(())
}

/// Enters a session that the database has closed.
pub async fn note_closed(store: &Store, session: SessionId) {
    store.redis().put(&session_key(&session.to_string()), HOT).await;
}

/// Whether a session is known to be closed, without asking the database.
pub async fn knows_closed(store: &Store, session: SessionId) -> bool {
    store.redis().contains(&[session_key(&session.to_string())]).await
}

/// Whether an access token is known to be refused, without asking the database.
pub async fn knows(store: &Store, claims: &AccessClaims) -> bool {
    let session = claims.sid.as_deref().map(session_key);
    let keys: Vec<_> = session.into_iter().chain([token_key(claims)]).collect();
    store.redis().contains(&keys).await
}

// The braces put a session and its tokens into one slot of a cluster, so that one round trip asks for both.

fn session_key(session: &str) -> String {
    format!("closed:{{{session}}}")
}

fn token_key(claims: &AccessClaims) -> String {
    let AccessClaims { sid, jti, .. } = claims;
    format!("revoked:{{{}}}:{jti}", sid.as_deref().unwrap_or_default())
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
/// whose last access token has. Of several instances one does it.
pub async fn purge(store: &Store, now: Timestamp) -> Result<usize, StoreError> {
    // Other instances' clocks may be behind.
    let now = now - crate::config::CLOCK_SKEW;
    let ended = now - crate::config::MAX_ACCESS_TOKEN_LIFETIME;
    let mut purged = 0;
    for _ in 0..BATCHES {
        let deleted = store
            .write(move |conn| {
                if !table::take_turn(conn)? {
                    return Ok(0);
                }
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
