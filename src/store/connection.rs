//! One connection type over both databases, and how each is opened. The scheme of the URL decides, here rather
//! than in diesel's derived `establish`, which hides the real error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::sql_types::{Array, Integer};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};

use super::{StoreError, one_line};

/// A connection to either database; queries written against it compile for both.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// Embedded: the default.
    Sqlite(SqliteConnection),
    /// For more than one machine.
    Postgres(PgConnection),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Opens connections. Holds a URL with a password, so its `Debug` prints none of it.
#[derive(Clone)]
pub(super) enum Connector {
    Sqlite { path: PathBuf },
    Postgres { url: String },
}

impl Connector {
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite { path: path.into() });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: url.to_owned() });
        }
        Err(StoreError::Unavailable("database.url must start with sqlite:// or postgres://".to_owned()))
    }

    pub(super) fn connect(&self, access: Access) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { path } => connect_sqlite(path, access).map(Conn::Sqlite),
            Self::Postgres { url } => connect_postgres(url).map(Conn::Postgres),
        }
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite { .. } => "Sqlite",
            Self::Postgres { .. } => "Postgres",
        })
    }
}

fn connect_sqlite(path: &Path, access: Access) -> Result<SqliteConnection, StoreError> {
    let fault = |cause: String| StoreError::Unavailable(format!("{}: {cause}", path.display()));
    let name = path.to_str().ok_or_else(|| fault("the path is not UTF-8".to_owned()))?;
    if access == Access::Write {
        create_private(path).map_err(|cause| fault(cause.to_string()))?;
    } else if !path.exists() {
        // SQLite would make an empty one.
        return Err(fault("the file is gone".to_owned()));
    }
    let mut connection = SqliteConnection::establish(name).map_err(|cause| fault(cause.to_string()))?;
    // A commit is on the disk before anybody hears of it; another process (the CLI) may hold the lock for a while.
    let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                    PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";
    connection.batch_execute(settings).map_err(|cause| fault(cause.to_string()))?;
    if access == Access::Read {
        connection.batch_execute("PRAGMA query_only = ON;")?;
    }
    Ok(connection)
}

/// Creates the file readable by its owner alone, before SQLite would with the umask's rights: it holds password
/// hashes. SQLite gives its WAL the same rights. A file that is there is not even opened: closing it again would drop
/// every POSIX lock that this process holds on it, SQLite's among them.
fn create_private(path: &Path) -> std::io::Result<()> {
    use std::io::ErrorKind;
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

/// What libpq waits for, unless the URL says otherwise: nothing without end. A peer that vanished is given up after
/// `tcp_user_timeout` (milliseconds) when something was sent to it, and by keep-alives when not.
const PATIENCE: [(&str, &str); 7] = [
    ("connect_timeout", "2"),
    ("tcp_user_timeout", "3000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("application_name", "chancery"),
    // A standby would not know what was revoked a moment ago.
    ("target_session_attrs", "read-write"),
];
/// For every connection. A commit is on the disk before anybody hears of it, whatever the server's default; a session
/// that lost its client does not keep its locks.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
    SET idle_in_transaction_session_timeout = '10s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

fn connect_postgres(url: &str) -> Result<PgConnection, StoreError> {
    let mut patient = url.to_owned();
    for (name, value) in PATIENCE {
        if !url.contains(&format!("{name}=")) {
            patient.push(if patient.contains('?') { '&' } else { '?' });
            patient.extend([name, "=", value]);
        }
    }
    let mut connection = PgConnection::establish(&patient).map_err(|error| unavailable(&error))?;
    connection.batch_execute(SETTINGS)?;
    Ok(connection)
}

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

impl Conn {
    /// The process of PostgreSQL's at its other end; 0 when that is none.
    pub(super) fn backend(&mut self) -> Result<i32, StoreError> {
        match self {
            Self::Sqlite(_) => Ok(0),
            Self::Postgres(conn) => {
                Ok(sql_query("SELECT pg_backend_pid() AS pid").get_result::<Backend>(conn)?.pid)
            }
        }
    }

    /// Which of these processes do something, or wait for something, of PostgreSQL's own: a lock, a standby. The others
    /// have nothing to do, or are gone.
    pub(super) fn at_work(&mut self, backends: Vec<i32>) -> Result<Vec<i32>, StoreError> {
        let Self::Postgres(conn) = self else { return Ok(backends) };
        let asked = sql_query(
            "SELECT pid FROM pg_stat_activity WHERE pid = ANY($1) AND \
             (state IS NULL OR state NOT IN ('idle', 'idle in transaction', 'idle in transaction (aborted)'))",
        );
        let found = asked.bind::<Array<Integer>, _>(backends).get_results::<Backend>(conn)?;
        Ok(found.into_iter().map(|backend| backend.pid).collect())
    }
}

/// libpq quotes what it could not read of the URL, which may be the password.
fn unavailable(error: &diesel::ConnectionError) -> StoreError {
    let message = one_line(&error.to_string());
    let quotes = ["URI", "percent-encoded", "forbidden value"].iter().any(|sign| message.contains(sign));
    StoreError::Unavailable(if quotes {
        "the URL cannot be read: what is special in it must be percent-encoded".to_owned()
    } else {
        message
    })
}

/// The database file as it was opened. A file that was removed or replaced since takes writes and loses them.
pub(super) struct DatabaseFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl DatabaseFile {
    pub(super) fn opened(path: &Path) -> Result<Self, StoreError> {
        let device_and_inode = Self::identity(path)?;
        Ok(Self { path: path.to_owned(), device_and_inode })
    }

    /// Fails when the path leads to another file now, or to none.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if Self::identity(&self.path)? == self.device_and_inode {
            return Ok(());
        }
        let path = self.path.display();
        Err(StoreError::Unavailable(format!(
            "{path} was replaced under the running server, which must be restarted"
        )))
    }

    fn identity(path: &Path) -> Result<(u64, u64), StoreError> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(path)
            .map_err(|cause| StoreError::Unavailable(format!("{}: {cause}", path.display())))?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

/// The pool's manager. Asking a connection whether it lives would cost a round trip each time: it is asked only once
/// after some connection was lost.
#[derive(Clone, Debug)]
pub(super) struct Manager {
    connector: Connector,
    /// How often a connection was lost.
    losses: Arc<AtomicU64>,
    /// When PostgreSQL breaks a statement off: milliseconds; 0: never.
    statement_timeout: Arc<AtomicU64>,
}

/// A connection of the pool.
pub(super) struct Pooled {
    pub conn: Conn,
    /// The losses before which it was last known to live.
    losses: u64,
    /// What it was told.
    statement_timeout: u64,
}

impl Manager {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, losses: Arc::default(), statement_timeout: Arc::default() }
    }

    /// From now on statements are broken off after so long, on connections that there are already too.
    pub(super) fn limit_statements(&self, timeout: Duration) {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.statement_timeout.store(milliseconds, Ordering::SeqCst);
    }

    /// Whatever cut one connection may have cut the others.
    pub(super) fn note_loss(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = Pooled;
    type Error = StoreError;

    fn connect(&self) -> Result<Pooled, StoreError> {
        let losses = self.losses.load(Ordering::SeqCst);
        let access =
            if matches!(self.connector, Connector::Sqlite { .. }) { Access::Read } else { Access::Write };
        Ok(Pooled { conn: self.connector.connect(access)?, losses, statement_timeout: 0 })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        let losses = self.losses.load(Ordering::SeqCst);
        if pooled.losses != losses {
            pooled.conn.batch_execute("SELECT 1")?;
            pooled.losses = losses;
        }
        let timeout = self.statement_timeout.load(Ordering::SeqCst);
        if pooled.statement_timeout != timeout {
            pooled.conn.batch_execute(&format!("SET statement_timeout = {timeout}"))?;
            pooled.statement_timeout = timeout;
        }
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.conn.is_broken()
    }
}
