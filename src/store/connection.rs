//! One connection type over both databases, and how each is opened. The scheme of the URL decides, here rather
//! than in diesel's derived `establish`, which hides the real error.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::SimpleConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::{Purpose, StoreError};

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
    Postgres { url: String, purpose: Purpose },
}

impl Connector {
    pub(super) fn parse(url: &str, purpose: Purpose) -> Result<Self, StoreError> {
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite { path: path.into() });
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres { url: url.to_owned(), purpose });
        }
        Err(StoreError::Unavailable("database.url must start with sqlite:// or postgres://".to_owned()))
    }

    pub(super) fn connect(&self, access: Access) -> Result<Conn, StoreError> {
        match self {
            Self::Sqlite { path } => connect_sqlite(path, access).map(Conn::Sqlite),
            Self::Postgres { url, purpose } => connect_postgres(url, *purpose).map(Conn::Postgres),
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
const PATIENCE: [(&str, &str); 6] = [
    ("connect_timeout", "2"),
    ("tcp_user_timeout", "3000"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("application_name", "chancery"),
];
/// For every connection. A commit is on the disk before anybody hears of it, whatever the server's default; a session
/// that lost its client does not keep its locks.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; \
    SET idle_in_transaction_session_timeout = '10s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

fn connect_postgres(url: &str, purpose: Purpose) -> Result<PgConnection, StoreError> {
    let mut patient = url.to_owned();
    for (name, value) in PATIENCE {
        if !url.contains(&format!("{name}=")) {
            patient.push(if patient.contains('?') { '&' } else { '?' });
            patient.extend([name, "=", value]);
        }
    }
    let mut connection = PgConnection::establish(&patient).map_err(|error| unavailable(&error, url))?;
    connection.batch_execute(SETTINGS)?;
    if purpose == Purpose::Serve {
        // Whoever waited for it has been answered by then. Commands may have much to do.
        connection.batch_execute("SET statement_timeout = '2s'")?;
    }
    Ok(connection)
}

/// libpq's messages have several lines, and some repeat the password.
fn unavailable(error: &diesel::ConnectionError, url: &str) -> StoreError {
    let mut message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let authority = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')).map(|(user, _)| user);
    if let Some((_, password)) = authority.and_then(|user| user.split_once(':')) {
        message = message.replace(password, "(hidden)");
    }
    StoreError::Unavailable(message)
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
}

/// A connection of the pool.
pub(super) struct Pooled {
    pub conn: Conn,
    /// The losses before which it was last known to live.
    losses: u64,
}

impl Manager {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, losses: Arc::default() }
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
        Ok(Pooled { conn: self.connector.connect(access)?, losses })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreError> {
        let losses = self.losses.load(Ordering::SeqCst);
        if pooled.losses != losses {
            pooled.conn.batch_execute("SELECT 1")?;
            pooled.losses = losses;
        }
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.conn.is_broken()
    }
}
