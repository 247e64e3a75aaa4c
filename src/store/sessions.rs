//! Table `sessions`: the authority on which refresh token of a login is good.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary};

use super::clients::ClientRow;
use super::schema::{clients, sessions, users};
use super::users::UserRow;
use super::{Conn, StoreError};

/// A session's row.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    /// 16 bytes.
    pub id: Vec<u8>,
    /// Who logged in.
    pub user_id: String,
    /// Through which client.
    pub client_id: String,
    /// What was granted; space-separated.
    pub scope: String,
    /// The audience that was granted; none: whatever the client has.
    pub resource: Option<String>,
    /// How the user proved to be who they are (RFC 8176); space-separated.
    pub amr: String,
    /// How often the refresh token has been exchanged.
    pub generation: i64,
    /// When the user authenticated.
    pub created_at: i64,
    /// When the present generation began.
    pub advanced_at: i64,
    /// The idle deadline, never after `ends_at`.
    pub expires_at: i64,
    /// The absolute deadline.
    pub ends_at: i64,
    /// When it was closed, if it was.
    pub closed_at: Option<i64>,
    /// Why it was closed.
    pub close_reason: Option<String>,
    /// The address that the login came from; none: older than the column.
    pub address: Option<String>,
    /// The `User-Agent` of the login.
    pub user_agent: Option<String>,
}

/// Who won a compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// This caller.
    Won,
    /// Somebody else, earlier.
    Lost,
}

/// Which sessions to close or list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    All,
    /// A user's, by id.
    User(String),
    /// A client's, by id.
    Client(String),
    /// Those opened before this Unix second.
    Before(i64),
    /// A user's but for one.
    Others {
        /// The user's id.
        user: String,
        /// The one's 16 bytes.
        than: Vec<u8>,
    },
}

type Backend = <Conn as diesel::Connection>::Backend;

/// Adds a session.
pub fn insert(conn: &mut Conn, session: &SessionRow) -> Result<(), StoreError> {
    diesel::insert_into(sessions::table).values(session).execute(conn)?;
    Ok(())
}

/// The session with this id.
pub fn find(conn: &mut Conn, id: &[u8]) -> Result<Option<SessionRow>, StoreError> {
    Ok(sessions::table.find(id).select(SessionRow::as_select()).get_result(conn).optional()?)
}

/// The session with its user, in one round trip.
pub fn find_with_user(conn: &mut Conn, id: &[u8]) -> Result<Option<(SessionRow, UserRow)>, StoreError> {
    let query = sessions::table.inner_join(users::table).filter(sessions::id.eq(id));
    Ok(query.select((SessionRow::as_select(), UserRow::as_select())).get_result(conn).optional()?)
}

/// The session with its user and its client, in one round trip.
pub fn find_with_holder(
    conn: &mut Conn,
    id: &[u8],
) -> Result<Option<(SessionRow, UserRow, ClientRow)>, StoreError> {
    let query =
        sessions::table.inner_join(users::table).inner_join(clients::table).filter(sessions::id.eq(id));
    let columns = (SessionRow::as_select(), UserRow::as_select(), ClientRow::as_select());
    Ok(query.select(columns).get_result(conn).optional()?)
}

/// Moves an open, unexpired session from one generation to the next: the compare-and-swap that makes a refresh token
/// work once. Times are Unix seconds.
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    /// Which session.
    pub id: &'a [u8],
    /// The generation that it must have.
    pub from: i64,
    /// The generation that it gets.
    pub to: i64,
    /// The present moment.
    pub now: i64,
    /// The new idle deadline.
    pub expires_at: i64,
}

impl Advance<'_> {
    /// Runs it.
    pub fn run(self, conn: &mut Conn) -> Result<Swap, StoreError> {
        Ok(if self.execute(conn)? == 1 { Swap::Won } else { Swap::Lost })
    }
}

// Written out, because diesel never caches an UPDATE that it builds itself: this one runs at every refresh, and parsing
// it would cost more than doing it.
impl QueryFragment<Backend> for Advance<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Backend>) -> QueryResult<()> {
        out.push_sql("UPDATE sessions SET generation = ");
        out.push_bind_param::<BigInt, _>(&self.to)?;
        out.push_sql(", advanced_at = ");
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(", expires_at = ");
        out.push_bind_param::<BigInt, _>(&self.expires_at)?;
        out.push_sql(" WHERE id = ");
        out.push_bind_param::<Binary, _>(self.id)?;
        out.push_sql(" AND generation = ");
        out.push_bind_param::<BigInt, _>(&self.from)?;
        out.push_sql(" AND closed_at IS NULL AND expires_at > ");
        out.push_bind_param::<BigInt, _>(&self.now)
    }
}

impl QueryId for Advance<'_> {
    type QueryId = Advance<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<Conn> for Advance<'_> {}

/// Whether there is such a session that was not closed.
pub fn is_open(conn: &mut Conn, id: &[u8]) -> Result<bool, StoreError> {
    let open = sessions::table.find(id).filter(sessions::closed_at.is_null());
    Ok(diesel::select(diesel::dsl::exists(open)).get_result(conn)?)
}

/// Closes one session; false when it was closed already or does not exist.
pub fn close(conn: &mut Conn, id: &[u8], reason: &str, now: i64) -> Result<bool, StoreError> {
    let open = sessions::table.find(id).filter(sessions::closed_at.is_null());
    let change = (sessions::closed_at.eq(now), sessions::close_reason.eq(reason));
    Ok(diesel::update(open).set(change).execute(conn)? == 1)
}

/// Closes every open session of the selection and counts them.
pub fn close_all(
    conn: &mut Conn,
    selection: &Selection,
    reason: &str,
    now: i64,
) -> Result<usize, StoreError> {
    let open = sessions::closed_at.is_null();
    let change = (sessions::closed_at.eq(now), sessions::close_reason.eq(reason));
    let closed = match selection {
        Selection::All => diesel::update(sessions::table.filter(open)).set(change).execute(conn),
        Selection::User(id) => diesel::update(sessions::table.filter(open.and(sessions::user_id.eq(id))))
            .set(change)
            .execute(conn),
        Selection::Client(id) => diesel::update(sessions::table.filter(open.and(sessions::client_id.eq(id))))
            .set(change)
            .execute(conn),
        Selection::Before(time) => {
            diesel::update(sessions::table.filter(open.and(sessions::created_at.lt(time))))
                .set(change)
                .execute(conn)
        }
        Selection::Others { user, than } => {
            let others = sessions::user_id.eq(user).and(sessions::id.ne(than));
            diesel::update(sessions::table.filter(open.and(others))).set(change).execute(conn)
        }
    };
    Ok(closed?)
}

/// Closes the first open sessions of the selection after an id, at most `limit`: how many, and the last of them; none
/// when there are no more.
pub fn close_batch(
    conn: &mut Conn,
    selection: &Selection,
    after: &[u8],
    limit: i64,
    reason: &str,
    now: i64,
) -> Result<(usize, Option<Vec<u8>>), StoreError> {
    let open = sessions::closed_at.is_null().and(sessions::id.gt(after));
    let query = sessions::table.select(sessions::id).order(sessions::id).limit(limit).filter(open);
    let ids: Vec<Vec<u8>> = match selection {
        Selection::All => query.load(conn),
        Selection::User(id) => query.filter(sessions::user_id.eq(id)).load(conn),
        Selection::Client(id) => query.filter(sessions::client_id.eq(id)).load(conn),
        Selection::Before(time) => query.filter(sessions::created_at.lt(time)).load(conn),
        Selection::Others { user, than } => {
            query.filter(sessions::user_id.eq(user).and(sessions::id.ne(than))).load(conn)
        }
    }?;
    let last = ids.last().cloned();
    let open = sessions::table.filter(sessions::id.eq_any(ids).and(sessions::closed_at.is_null()));
    let change = (sessions::closed_at.eq(now), sessions::close_reason.eq(reason));
    Ok((diesel::update(open).set(change).execute(conn)?, last))
}

/// The newest sessions of the selection with their users' names, at most `limit`.
pub fn list(
    conn: &mut Conn,
    selection: &Selection,
    limit: i64,
) -> Result<Vec<(SessionRow, String)>, StoreError> {
    let query = sessions::table.inner_join(users::table);
    let columns = (SessionRow::as_select(), users::username);
    let newest = (sessions::created_at.desc(), sessions::id.desc());
    let rows = match selection {
        Selection::All => query.select(columns).order(newest).limit(limit).load(conn),
        Selection::User(id) => {
            query.filter(sessions::user_id.eq(id)).select(columns).order(newest).limit(limit).load(conn)
        }
        Selection::Client(id) => {
            query.filter(sessions::client_id.eq(id)).select(columns).order(newest).limit(limit).load(conn)
        }
        Selection::Before(time) => {
            query.filter(sessions::created_at.lt(time)).select(columns).order(newest).limit(limit).load(conn)
        }
        Selection::Others { user, than } => {
            let others = sessions::user_id.eq(user).and(sessions::id.ne(than));
            query.filter(others).select(columns).order(newest).limit(limit).load(conn)
        }
    };
    Ok(rows?)
}

/// A user's open sessions, the last used first, at most `limit`.
pub fn open_of_user(
    conn: &mut Conn,
    user_id: &str,
    now: i64,
    limit: i64,
) -> Result<Vec<SessionRow>, StoreError> {
    let own = sessions::table.filter(sessions::user_id.eq(user_id)).select(SessionRow::as_select());
    let open = own.filter(sessions::closed_at.is_null()).filter(sessions::expires_at.gt(now));
    Ok(open.order((sessions::advanced_at.desc(), sessions::id.desc())).limit(limit).load(conn)?)
}

/// Closes a user's open session; false when the user has none with this id.
pub fn close_of_user(
    conn: &mut Conn,
    id: &[u8],
    user_id: &str,
    reason: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let own = sessions::table.filter(sessions::id.eq(id)).filter(sessions::user_id.eq(user_id));
    let open = own.filter(sessions::closed_at.is_null()).filter(sessions::expires_at.gt(now));
    let change = (sessions::closed_at.eq(now), sessions::close_reason.eq(reason));
    Ok(diesel::update(open).set(change).execute(conn)? == 1)
}

/// The addresses that a user's newest logins came from, by the username's canonical form.
pub fn addresses(conn: &mut Conn, username_key: &str) -> Result<Vec<String>, StoreError> {
    const NEWEST: i64 = 100;
    let query = sessions::table.inner_join(users::table).filter(users::username_key.eq(username_key));
    let newest = query.order(sessions::created_at.desc()).limit(NEWEST).select(sessions::address);
    Ok(newest.load::<Option<String>>(conn)?.into_iter().flatten().collect())
}

/// Deletes a user's sessions but for so many, those that were unused for longest, some at a time.
pub fn forget_oldest(conn: &mut Conn, user_id: &str, keep: i64) -> Result<(), StoreError> {
    const SOME: i64 = 100;
    let own = sessions::table.filter(sessions::user_id.eq(user_id)).select(sessions::id);
    let newest = (sessions::advanced_at.desc(), sessions::id.desc());
    let excess: Vec<Vec<u8>> = own.order(newest).offset(keep).limit(SOME).load(conn)?;
    if !excess.is_empty() {
        diesel::delete(sessions::table.filter(sessions::id.eq_any(excess))).execute(conn)?;
    }
    Ok(())
}

/// Deletes at most `limit` sessions that ended before `time`, and counts them.
pub fn purge_ended(conn: &mut Conn, time: i64, limit: i64) -> Result<usize, StoreError> {
    let ended: Vec<Vec<u8>> =
        sessions::table.filter(sessions::ends_at.lt(time)).select(sessions::id).limit(limit).load(conn)?;
    Ok(diesel::delete(sessions::table.filter(sessions::id.eq_any(ended))).execute(conn)?)
}
