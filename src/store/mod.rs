//! The store: the only module that speaks SQL. Called by everything above it with closures over a [`Conn`];
//! the queries are one set for SQLite and PostgreSQL. Rows are plain data: their meaning lives in the layers above.

pub mod blacklist;
pub mod clients;
mod connection;
pub mod keys;
mod metrics;
pub mod migrations;
mod postgres;
mod redis;
mod schema;
pub mod sessions;
pub mod totp;
pub mod users;
mod writer;

use std::sync::Arc;
use std::time::Duration;

pub use connection::Conn;
use connection::{Access, Connector, DatabaseFile, Manager};
use diesel::connection::SimpleConnection;
use metrics::Failures;
pub use metrics::StoreMetrics;
pub use postgres::Connections;
use postgres::{Mode, Postgres};
pub use redis::{Nudges, Redis, RedisMetrics};
use tokio::task::spawn_blocking;
use writer::{Atomicity, Writer};

use crate::config::DatabaseSettings;

/// Why the store could not do what it was asked. What a caller asked for is an outcome, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or failed; nothing was kept. Worth a retry.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// The link to the database was cut, or says nothing. A change that was being committed may have been kept or not.
    /// Worth a retry.
    #[error("the link to the database was lost: {0}")]
    Lost(String),
    /// Others changed the same rows at the same moment; nothing was kept. Worth a retry.
    #[error("the database broke the transaction off: {0}")]
    Contended(String),
    /// More is waiting for the database than may. Worth a retry.
    #[error("too many requests are waiting for the database")]
    Overloaded,
    /// A rule of the schema refuses: a unique value is taken, or what a row refers to is gone. Nothing was kept.
    #[error("the database refuses: {0}")]
    Conflict(String),
    /// A row cannot be read as what it should be.
    #[error("the database holds a row that cannot be read: {0}")]
    Corrupt(String),
}

impl From<diesel::result::Error> for StoreError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::{DatabaseErrorKind, Error};
        match error {
            Error::DatabaseError(
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation,
                info,
            ) => Self::Conflict(info.message().to_owned()),
            Error::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Self::Lost(one_line(info.message()))
            }
            // diesel has no kind for a deadlock, in which PostgreSQL picks a victim.
            Error::DatabaseError(kind, info)
                if matches!(kind, DatabaseErrorKind::SerializationFailure)
                    || info.message().starts_with("deadlock detected") =>
            {
                Self::Contended(info.message().to_owned())
            }
            // A standby, or a statement that was prepared before a migration: another connection will do.
            Error::DatabaseError(kind, info)
                if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction)
                    || info.message().starts_with("cached plan must not change") =>
            {
                Self::Lost(one_line(info.message()))
            }
            Error::BrokenTransactionManager => Self::Lost("in the middle of a transaction".to_owned()),
            Error::DeserializationError(cause) => Self::Corrupt(cause.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<r2d2::Error> for StoreError {
    fn from(error: r2d2::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// libpq's messages have several.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Which of PostgreSQL's connections may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// All, so that the sessions there are go on.
    Reserved,
    /// Three in four: new logins and clients' own tokens wait before refreshes do.
    Unreserved,
}

/// A handle to the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    engine: Engine,
    lane: Lane,
    redis: Redis,
    failures: Failures,
}

#[derive(Clone, Debug)]
enum Engine {
    /// One writer at a time: a thread of ours commits waiting writes together. Readers never wait for it.
    Sqlite { readers: r2d2::Pool<Manager>, writer: Writer },
    /// Does its own group commit.
    Postgres(Arc<Postgres>),
}

const SQLITE_READERS: u32 = 8;
/// How long a read waits for one of them.
const SQLITE_CHECKOUT: Duration = Duration::from_millis(500);

impl Store {
    /// Connects to `sqlite://PATH` or `postgres://…`. The schema must be in place: see [`migrations::run`]. Blocks.
    pub fn open(settings: &DatabaseSettings) -> Result<Self, StoreError> {
        let connector = Connector::parse(settings.expose())?;
        let engine = match &connector {
            Connector::Sqlite { path } => {
                let conn = connector.connect(Access::Write)?;
                let writer = Writer::start(conn, DatabaseFile::opened(path)?)?;
                connector.connect(Access::Read)?;
                let readers = r2d2::Pool::builder()
                    .max_size(SQLITE_READERS)
                    .min_idle(Some(1))
                    .connection_timeout(SQLITE_CHECKOUT)
                    .test_on_check_out(false)
                    .build_unchecked(Manager::new(connector));
                Engine::Sqlite { readers, writer }
            }
            Connector::Postgres { .. } => {
                // Connected once by hand, because the pool would only say that it timed out.
                connector.connect(Access::Write)?;
                Engine::Postgres(Arc::new(Postgres::new(connector, settings.max_connections)?))
            }
        };
        Ok(Self { engine, lane: Lane::Reserved, redis: Redis::default(), failures: Failures::default() })
    }

    /// The same database with Redis beside it.
    #[must_use]
    pub fn with_redis(self, redis: Redis) -> Self {
        Self { redis, ..self }
    }

    /// What stands beside the database for speed.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// From now on requests wait for answers: nobody waits for a second. Before that, a start may be slow, and a command
    /// takes the time that it needs.
    pub fn hurry(&self) {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.hurry();
        }
    }

    /// The same database for what is put off first when it is busy.
    #[must_use]
    pub fn unreserved(&self) -> Self {
        Self { lane: Lane::Unreserved, ..self.clone() }
    }

    /// Those to PostgreSQL; none for SQLite.
    pub fn connections(&self) -> Option<Connections> {
        match &self.engine {
            Engine::Sqlite { .. } => None,
            Engine::Postgres(postgres) => Some(postgres.connections()),
        }
    }

    /// Looks after the connections to PostgreSQL. For once a second, while requests wait for answers.
    pub async fn tend(&self) {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.tend().await;
        }
    }

    /// Runs `query` on a connection that only reads.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        self.failures.note(match &self.engine {
            Engine::Sqlite { readers, .. } => read_sqlite(readers, query).await,
            Engine::Postgres(postgres) => postgres.run(self.lane, Mode::Read, query).await,
        })
    }

    /// Runs `work` in a transaction and answers after its COMMIT. An error keeps nothing, but for
    /// [`StoreError::Lost`], which leaves that open. On PostgreSQL the work may be begun several times, and is given up
    /// before COMMIT when nobody waits for it any more.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        self.failures.note(match &self.engine {
            Engine::Sqlite { writer, .. } => writer.submit(Atomicity::Savepoint, work).await,
            Engine::Postgres(postgres) => postgres.run(self.lane, Mode::Transaction, work).await,
        })
    }

    /// As [`Store::write`], for work that is one statement: that is a transaction by itself, in one round trip.
    pub async fn execute<T, F>(&self, statement: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        self.failures.note(match &self.engine {
            Engine::Sqlite { writer, .. } => writer.submit(Atomicity::Statement, statement).await,
            Engine::Postgres(postgres) => postgres.run(self.lane, Mode::Statement, statement).await,
        })
    }
}

async fn read_sqlite<T, F>(readers: &r2d2::Pool<Manager>, query: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
{
    // SQLite answers within microseconds, never waits for the writer, and is not worth another thread.
    if let Some(mut pooled) = readers.try_get() {
        return query(&mut pooled.conn);
    }
    let readers = readers.clone();
    let read = spawn_blocking(move || query(&mut readers.get()?.conn)).await;
    read.unwrap_or_else(|failure| Err(StoreError::Unavailable(failure.to_string())))
}

/// Moves what stands in SQLite's write-ahead log into the database file, so that the file alone is the whole database.
/// For after the last write; others may still be connected. Blocks. PostgreSQL, or a file that is gone, needs nothing.
pub fn settle(url: &str) -> Result<(), StoreError> {
    let connector = Connector::parse(url)?;
    match &connector {
        Connector::Sqlite { path } if path.exists() => {
            Ok(connector.connect(Access::Write)?.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)")?)
        }
        _ => Ok(()),
    }
}
