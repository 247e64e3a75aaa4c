//! What a test's services stand on: a SQLite file, or, where the environment names servers, a database of its own in
//! PostgreSQL and keys of its own in Redis. New ones are copies of a template, because to migrate a database and to
//! make RSA keys takes longer than most tests.

use std::path::PathBuf;

use chancery::app::App;
use chancery::clock::Clock;
use chancery::store::settle;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, QueryResult};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use url::Url;
use uuid::Uuid;

use super::support::{START, load};

/// A private server's maintenance database, as a user who may create databases.
const POSTGRES: &str = "CHANCERY_TEST_POSTGRES";
/// A private server that tests may fill.
const REDIS: &str = "CHANCERY_TEST_REDIS";

/// The whole file of a database with a key ring.
static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
/// The same in PostgreSQL; it goes when its server does.
static TEMPLATE: OnceCell<Database> = OnceCell::const_new();

/// Dropped with its last service.
pub struct Backend {
    /// For the files of the test as well.
    pub folder: TempDir,
    /// None: SQLite.
    postgres: Option<Database>,
}

impl Backend {
    /// With the key ring that all tests of this process share.
    pub async fn new() -> Self {
        if !has_servers() {
            return Self::sqlite().await;
        }
        let template = TEMPLATE.get_or_init(Database::template).await;
        Self { postgres: Some(Database::copy(&template.name)), ..Self::nothing() }
    }

    /// As [`Backend::new`], but always on SQLite.
    pub async fn sqlite() -> Self {
        let backend = Self::nothing();
        let file = FILE.get_or_init(Self::file).await;
        std::fs::write(backend.path(), file).unwrap();
        backend
    }

    /// Without even a schema.
    pub fn empty() -> Self {
        Self { postgres: has_servers().then(|| Database::copy("template0")), ..Self::nothing() }
    }

    /// The settings that lead here.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Some(Database { name }) = &self.postgres else {
            return vec![("database.url", format!("sqlite://{}", self.path().display()))];
        };
        vec![
            ("database.url", server(name).to_string()),
            ("database.max_connections", "4".to_owned()), // there are many tests at once
            ("redis.url", std::env::var(REDIS).unwrap()),
            ("redis.key_prefix", format!("{name}:")),
        ]
    }

    fn nothing() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), postgres: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("chancery.db")
    }

    /// Lets a service make its key ring here.
    async fn fill(&self) {
        let settings = load(self, "http://127.0.0.1", &[]);
        App::open(settings, Clock::manual(START)).await.unwrap();
    }

    async fn file() -> Vec<u8> {
        let backend = Self::nothing();
        backend.fill().await;
        settle(&backend.settings()[0].1).unwrap();
        std::fs::read(backend.path()).unwrap()
    }
}

/// A database in PostgreSQL.
struct Database {
    name: String,
}

impl Database {
    fn copy(template: &str) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        administer(&format!("CREATE DATABASE {name} TEMPLATE {template}")).unwrap();
        Self { name }
    }

    async fn template() -> Self {
        let backend = Backend::empty();
        backend.fill().await;
        let database = backend.postgres.unwrap();
        // Whoever is connected to a database keeps it from being copied.
        let name = &database.name;
        administer(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
        let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        administer(&end).unwrap();
        database
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = &self.name;
        // Connections that a failed test has left are closed.
        if let Err(error) = administer(&format!("DROP DATABASE {name} WITH (FORCE)")) {
            eprintln!("the database {name} stays: {error}");
        }
    }
}

fn has_servers() -> bool {
    let [postgres, redis] = [POSTGRES, REDIS].map(|name| std::env::var_os(name).is_some());
    assert_eq!(postgres, redis, "{POSTGRES} and {REDIS} go together");
    postgres
}

/// Another database of the server.
fn server(database: &str) -> Url {
    let mut url = Url::parse(&std::env::var(POSTGRES).unwrap()).unwrap();
    url.set_path(database);
    url
}

fn administer(statement: &str) -> QueryResult<()> {
    PgConnection::establish(&std::env::var(POSTGRES).unwrap()).unwrap().batch_execute(statement)
}
