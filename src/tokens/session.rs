//! Sessions: one login and all tokens that descend from it. The state machine of refresh token rotation
//! (RFC 9700 section 4.14.2): each generation is exchanged once, and a spent token shown again ends the session.

use std::time::Duration;

use super::{RefreshToken, SessionId, blacklist};
use crate::clock::Timestamp;
use crate::store::sessions::{self as table, Selection, SessionRow, Swap};
use crate::store::{Conn, Store, StoreError};

/// Whether a session still yields tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// It does, unless a deadline passed.
    Open,
    /// It was ended.
    Closed {
        /// When.
        at: Timestamp,
        /// Why: `logout`, `reused`, `password_changed`, ….
        reason: String,
    },
}

/// A session as stored.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` claim.
    pub id: SessionId,
    /// Who logged in.
    pub user_id: String,
    /// Through which client.
    pub client_id: String,
    /// What was granted.
    pub scope: String,
    /// The audience that was granted; none: whatever the client has.
    pub resource: Option<String>,
    /// How the user authenticated; space-separated (RFC 8176).
    pub amr: String,
    /// How often the refresh token has been exchanged.
    pub generation: u32,
    /// When the user authenticated.
    pub created_at: Timestamp,
    /// When this generation began.
    pub advanced_at: Timestamp,
    /// The idle deadline.
    pub expires_at: Timestamp,
    /// The absolute deadline.
    pub ends_at: Timestamp,
    /// Whether it still yields tokens.
    pub state: SessionState,
    /// The address that the login came from.
    pub address: Option<String>,
    /// The `User-Agent` of the login.
    pub user_agent: Option<String>,
}

impl Session {
    /// Reads a row.
    pub fn from_row(row: &SessionRow) -> Result<Self, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("a session's {what}"));
        Ok(Self {
            id: SessionId::from_bytes(&row.id).ok_or_else(|| corrupt("id"))?,
            user_id: row.user_id.clone(),
            client_id: row.client_id.clone(),
            scope: row.scope.clone(),
            resource: row.resource.clone(),
            amr: row.amr.clone(),
            generation: u32::try_from(row.generation).map_err(|_| corrupt("generation"))?,
            created_at: Timestamp::from_unix(row.created_at),
            advanced_at: Timestamp::from_unix(row.advanced_at),
            expires_at: Timestamp::from_unix(row.expires_at),
            ends_at: Timestamp::from_unix(row.ends_at),
            state: match row.closed_at {
                None => SessionState::Open,
                Some(at) => SessionState::Closed {
                    at: Timestamp::from_unix(at),
                    reason: row.close_reason.clone().unwrap_or_default(),
                },
            },
            address: row.address.clone(),
            user_agent: row.user_agent.clone(),
        })
    }

    /// The refresh token that is good now.
    pub fn current_token(&self) -> RefreshToken {
        RefreshToken { session: self.id, generation: self.generation }
    }
}

/// How a client's refresh tokens live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a token works only once.
    pub rotation: bool,
    /// How long a spent token still yields its successor again.
    pub leeway: Duration,
    /// How long an unused token lives.
    pub idle: Duration,
    /// How long the session lives.
    pub absolute: Duration,
}

/// What a new session is made of.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who logged in.
    pub user_id: String,
    /// Through which client.
    pub client_id: String,
    /// What was granted.
    pub scope: String,
    /// The audience that was granted; none: whatever the client has.
    pub resource: Option<String>,
    /// How the user authenticated.
    pub amr: &'static str,
    /// From which address.
    pub address: String,
    /// With which software, by its own word.
    pub user_agent: Option<String>,
}

/// What a presented refresh token is to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The one that is good.
    Current,
    /// Spent a moment ago, within the leeway; its successor is not spent yet.
    Repeat,
    /// Spent: a thief, or a client that lost its way.
    Reused,
    /// The session was ended.
    Closed,
    /// A deadline passed.
    Expired,
}

/// What came of presenting a refresh token. The first three carry the token that is good now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The presented token is spent for ever, this is its successor.
    Advanced(RefreshToken),
    /// The same successor again.
    Repeated(RefreshToken),
    /// The client's tokens do not rotate: the same token, living longer.
    Kept(RefreshToken),
    /// A spent token: the session is closed now.
    Reused,
    /// The session was closed, has expired, or does not exist. Nothing was written.
    Refused,
}

/// Makes the row of a new session.
pub fn open(id: SessionId, opening: Opening, policy: &Policy, now: Timestamp) -> SessionRow {
    let ends_at = now + policy.absolute;
    SessionRow {
        id: id.as_bytes().to_vec(),
        user_id: opening.user_id,
        client_id: opening.client_id,
        scope: opening.scope,
        resource: opening.resource,
        amr: opening.amr.to_owned(),
        generation: 0,
        created_at: now.as_unix(),
        advanced_at: now.as_unix(),
        expires_at: ends_at.min(now + policy.idle).as_unix(),
        ends_at: ends_at.as_unix(),
        closed_at: None,
        close_reason: None,
        address: Some(opening.address),
        user_agent: opening.user_agent,
    }
}

/// Judges a token against its session: the table of `docs/architecture.md` as a pure function.
pub fn judge(session: &Session, presented: u32, leeway: Duration, now: Timestamp) -> Standing {
    let successor_is_current = presented.checked_add(1) == Some(session.generation);
    if session.state != SessionState::Open {
        Standing::Closed
    } else if now >= session.expires_at {
        Standing::Expired
    } else if presented == session.generation {
        Standing::Current
    } else if successor_is_current && !leeway.is_zero() && now <= session.advanced_at + leeway {
        Standing::Repeat
    } else {
        // A generation from the future is one too: it was good before an old backup was restored.
        Standing::Reused
    }
}

/// Exchanges a token of a session, as read before: one compare-and-swap, in a statement by itself because that is one
/// round trip; and whatever follows when it is lost.
pub async fn rotate(
    store: &Store,
    session: &Session,
    presented: RefreshToken,
    policy: Policy,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    if judge(session, presented.generation, policy.leeway, now) == Standing::Current {
        let good = if policy.rotation { presented.successor() } else { Some(presented) };
        let Some(good) = good else { return Ok(Rotation::Refused) };
        let expires_at = session.ends_at.min(now + policy.idle);
        let advance = move |conn: &mut _| {
            let advance = table::Advance {
                id: presented.session.as_bytes(),
                from: i64::from(presented.generation),
                to: i64::from(good.generation),
                now: now.as_unix(),
                expires_at: expires_at.as_unix(),
            };
            advance.run(conn)
        };
        if store.execute(advance).await? == Swap::Won {
            return Ok(if policy.rotation { Rotation::Advanced(good) } else { Rotation::Kept(good) });
        }
    }
    let rotation = store.write(move |conn| settle(conn, presented, &policy, now)).await?;
    if rotation == Rotation::Reused {
        blacklist::note_closed(store, session.id).await;
    }
    Ok(rotation)
}

/// Another request was first, or the token was not the current one to begin with.
fn settle(
    conn: &mut Conn,
    presented: RefreshToken,
    policy: &Policy,
    now: Timestamp,
) -> Result<Rotation, StoreError> {
    let Some(session) = find(conn, presented.session)? else { return Ok(Rotation::Refused) };
    match judge(&session, presented.generation, policy.leeway, now) {
        Standing::Repeat => Ok(Rotation::Repeated(session.current_token())),
        Standing::Reused => {
            table::close(conn, presented.session.as_bytes(), "reused", now.as_unix())?;
            Ok(Rotation::Reused)
        }
        Standing::Current | Standing::Closed | Standing::Expired => Ok(Rotation::Refused),
    }
}

fn find(conn: &mut Conn, id: SessionId) -> Result<Option<Session>, StoreError> {
    table::find(conn, id.as_bytes())?.as_ref().map(Session::from_row).transpose()
}

/// Sessions that are closed in one transaction: those that are refreshed meanwhile wait no longer than for these.
const BATCH: i64 = 1000;

/// Ends every session of a selection and counts them, some at a time: for selections that may hold millions. Whoever
/// must see all or none closes them in a transaction of its own.
pub async fn close_all(
    store: &Store,
    selection: &Selection,
    reason: &'static str,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let (mut closed, mut after) = (0, Vec::new());
    loop {
        let selection = selection.clone();
        let close =
            move |conn: &mut Conn| table::close_batch(conn, &selection, &after, BATCH, reason, now.as_unix());
        let (count, last) = store.write(close).await?;
        closed += count;
        match last {
            Some(last) => after = last,
            None => return Ok(closed),
        }
    }
}

/// Ends a session; false when it had ended before.
pub async fn close(
    store: &Store,
    id: SessionId,
    reason: &'static str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let closed = store.execute(move |conn| table::close(conn, id.as_bytes(), reason, now.as_unix())).await?;
    blacklist::note_closed(store, id).await;
    Ok(closed)
}
