//! One connection type over both databases, and how each is opened. The scheme of the URL decides, here rather
//! than in diesel's derived `establish`, which hides the real error.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::StoreError;

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

/// Opens connections; the pool's manager. Holds a URL with a password, so its `Debug` prints none of it.
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
            Self::Postgres { url } => {
                PgConnection::establish(url).map(Conn::Postgres).map_err(|error| unavailable(&error, url))
            }
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

impl r2d2::ManageConnection for Connector {
    type Connection = Conn;
    type Error = StoreError;

    fn connect(&self) -> Result<Conn, StoreError> {
        Self::connect(self, if matches!(self, Self::Sqlite { .. }) { Access::Read } else { Access::Write })
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), StoreError> {
        Ok(conn.batch_execute("SELECT 1")?)
    }

    fn has_broken(&self, _: &mut Conn) -> bool {
        std::thread::panicking()
    }
}
