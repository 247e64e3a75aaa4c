//! The schema's history, embedded in the binary and brought up to date under a lock: whichever instance comes first
//! migrates, the others wait and find it done.

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::sql_types::Bool;
use diesel::{QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Access, Connector};
use super::{Conn, StoreError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// PostgreSQL's advisory lock that a migrating instance holds: "chancery" in ASCII.
const LOCK: i64 = 0x6368_616e_6365_7279;

/// How often a migration is begun that another transaction's lock on its table held up.
const MIGRATION_ATTEMPTS: usize = 15;

/// A migration and whether the database has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// The folder's name: time and title.
    pub name: String,
    /// False while it is still to run.
    pub applied: bool,
}

/// Creates the database if need be and runs what is pending; returns the names of what ran. Safe to call from many
/// processes at once. Blocks.
pub fn run(url: &str) -> Result<Vec<String>, StoreError> {
    match Connector::parse(url)?.connect(Access::Write)? {
        Conn::Sqlite(mut conn) => conn.immediate_transaction(|conn| apply(conn, SQLITE)),
        Conn::Postgres(mut conn) => {
            conn.batch_execute("SET lock_timeout = '5min'")?; // whoever holds it is migrating; one that hangs is not waited for
            sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(&mut conn)?;
            conn.batch_execute("SET lock_timeout = '2s'")?; // whoever waits for a table's lock holds up all others
            let mut ran = apply(&mut conn, POSTGRES);
            for _ in 1..MIGRATION_ATTEMPTS {
                if ran.is_err() {
                    ran = apply(&mut conn, POSTGRES);
                }
            }
            ran // the lock goes with the connection
        }
    }
}

/// Every migration this binary knows, oldest first. Creates nothing. Blocks.
pub fn status(url: &str) -> Result<Vec<Status>, StoreError> {
    let connector = existing(url)?;
    let mut conn = connector.connect(Access::Write)?;
    let has_history = has_history(&mut conn)?;
    match conn {
        Conn::Sqlite(mut conn) => {
            list::<diesel::sqlite::Sqlite, SqliteConnection>(&mut conn, SQLITE, has_history)
        }
        Conn::Postgres(mut conn) => list(&mut conn, POSTGRES, has_history),
    }
}

/// Whether any migration ever ran. diesel would make the table that it asks for.
fn has_history(conn: &mut Conn) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let found = match conn {
        Conn::Sqlite(conn) => sql_query(
            "SELECT count(*) > 0 AS found FROM sqlite_master WHERE name = '__diesel_schema_migrations'",
        )
        .get_result::<Found>(conn),
        Conn::Postgres(conn) => {
            sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS found")
                .get_result(conn)
        }
    };
    Ok(found?.found)
}

/// Fails when there is no SQLite database yet, where connecting would make one. (PostgreSQL tells by itself.)
pub fn check_exists(url: &str) -> Result<(), StoreError> {
    existing(url).map(drop)
}

fn existing(url: &str) -> Result<Connector, StoreError> {
    let connector = Connector::parse(url)?;
    match &connector {
        Connector::Sqlite { path } if !path.exists() => {
            Err(StoreError::Unavailable(format!("{}: no such file", path.display())))
        }
        _ => Ok(connector),
    }
}

fn apply<B, C>(conn: &mut C, source: EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    B: diesel::backend::Backend,
    C: MigrationHarness<B>,
{
    let ran = conn.run_pending_migrations(source).map_err(fault)?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

fn list<B, C>(conn: &mut C, source: EmbeddedMigrations, has_history: bool) -> Result<Vec<Status>, StoreError>
where
    B: diesel::backend::Backend,
    C: MigrationHarness<B>,
    EmbeddedMigrations: MigrationSource<B>,
{
    let applied = if has_history { conn.applied_migrations().map_err(fault)? } else { Vec::new() };
    let mut known: Vec<Box<dyn Migration<B>>> = source.migrations().map_err(fault)?;
    known.sort_by_key(|migration| migration.name().version().as_owned());
    let status = |migration: &dyn Migration<B>| Status {
        name: migration.name().to_string(),
        applied: applied.contains(&migration.name().version().as_owned()),
    };
    Ok(known.iter().map(|migration| status(&**migration)).collect())
}

fn fault(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
