//! The store: the only module that speaks SQL. Called by everything above it with closures over a [`Conn`];
//! the queries are one set for SQLite and PostgreSQL. Rows are plain data: their meaning lives in the layers above.

pub mod blacklist;
pub mod clients;
mod connection;
pub mod keys;
pub mod migrations;
mod schema;
pub mod sessions;
pub mod users;
mod writer;

use std::time::Duration;

pub use connection::Conn;
use connection::{Access, Connector, DatabaseFile};
use diesel::connection::SimpleConnection;
use tokio::task::spawn_blocking;
use writer::Writer;

/// Why the store could not do what it was asked. What a caller asked for is an outcome, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or failed; nothing was kept. Worth a retry.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// More writes are waiting than the queue takes. Worth a retry.
    #[error("the database's write queue is full")]
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

/// A handle to the database; clones share its connections.
#[derive(Clone, Debug)]
pub struct Store {
    readers: r2d2::Pool<Connector>,
    writes: Writes,
}

#[derive(Clone, Debug)]
enum Writes {
    /// SQLite allows one writer: a thread of ours commits waiting writes together.
    Grouped(Writer),
    /// PostgreSQL does its own group commit: every write is a transaction on a pooled connection.
    Pooled,
}

/// How long a request waits for a connection.
const CHECKOUT_TIMEOUT: Duration = Duration::from_millis(500);
const POOL_SIZE: u32 = 8;

impl Store {
    /// Connects to `sqlite://PATH` or `postgres://…`. The schema must be in place: see [`migrations::run`].
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let connector = Connector::parse(url)?;
        let writes = match &connector {
            Connector::Sqlite { path } => {
                let conn = connector.connect(Access::Write)?;
                Writes::Grouped(Writer::start(conn, DatabaseFile::opened(path)?)?)
            }
            Connector::Postgres { .. } => Writes::Pooled,
        };
        // Connected once by hand, because the pool would only say that it timed out.
        connector.connect(Access::Read)?;
        let readers = r2d2::Pool::builder()
            .max_size(POOL_SIZE)
            .min_idle(Some(1))
            .connection_timeout(CHECKOUT_TIMEOUT)
            .test_on_check_out(matches!(writes, Writes::Pooled))
            .build_unchecked(connector);
        Ok(Self { readers, writes })
    }

    /// Runs `query` on a connection that only reads.
    pub async fn read<T, F>(&self, query: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    {
        // SQLite answers within microseconds, never waits for the writer, and is not worth another thread.
        if let (Writes::Grouped(_), Some(mut conn)) = (&self.writes, self.readers.try_get()) {
            return query(&mut conn);
        }
        let pool = self.readers.clone();
        blocking(move || query(&mut *pool.get()?)).await
    }

    /// Runs `work` in a transaction and answers after its COMMIT. An error keeps nothing.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    {
        match &self.writes {
            Writes::Grouped(writer) => writer.submit(work).await,
            Writes::Pooled => {
                let pool = self.readers.clone();
                blocking(move || diesel::Connection::transaction(&mut *pool.get()?, work)).await
            }
        }
    }
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

async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    spawn_blocking(work).await.unwrap_or_else(|failure| Err(StoreError::Unavailable(failure.to_string())))
}
