//! The schema's history.

use std::collections::BTreeSet;
use std::fs;

use super::backend::Backend;
use super::place::Place;
use chancery::store::migrations;
use diesel::{Connection, PgConnection, RunQueryDsl, SqliteConnection};

fn names(database: &str) -> BTreeSet<String> {
    let folder = format!("{}/migrations/{database}", env!("CARGO_MANIFEST_DIR"));
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn both_databases_have_the_same_migrations_up_and_down() {
    assert_eq!(names("sqlite"), names("postgres"));
    for database in ["sqlite", "postgres"] {
        for name in names(database) {
            for file in ["up.sql", "down.sql"] {
                let path = format!("{}/migrations/{database}/{name}/{file}", env!("CARGO_MANIFEST_DIR"));
                assert!(fs::metadata(&path).unwrap().len() > 0, "{path}");
            }
        }
    }
}

#[test]
fn processes_that_migrate_at_once_run_each_migration_once() {
    let place = Place::with_database();
    let migrate = || place.run("migrate --json").json()["applied"].as_array().unwrap().len();
    let ran: usize = std::thread::scope(|scope| {
        let processes: Vec<_> = (0..10).map(|_| scope.spawn(migrate)).collect();
        processes.into_iter().map(|process| process.join().unwrap()).sum()
    });
    assert_eq!(ran, names("sqlite").len());
    let status = place.run("migrate status --json").json();
    assert!(status.as_array().unwrap().iter().all(|migration| migration["applied"] == true));
}

#[test]
fn asking_for_the_status_creates_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.db");
    let url = format!("sqlite://{}", path.display());
    assert!(migrations::status(&url).is_err());
    assert!(!path.exists());
}

#[test]
fn asking_an_empty_database_for_the_status_leaves_no_table_there() {
    let backend = Backend::empty();
    let url = backend.settings()[0].1.clone();
    if let Some(file) = url.strip_prefix("sqlite://") {
        fs::write(file, "").unwrap();
    }
    let status = migrations::status(&url).unwrap();
    assert!(status.len() >= names("sqlite").len() && status.iter().all(|migration| !migration.applied));
    // What diesel would have made is not in the way of who migrates.
    assert_eq!(migrations::status(&url).unwrap(), status);
    let tables = match url.strip_prefix("sqlite://") {
        Some(file) => count(&mut SqliteConnection::establish(file).unwrap(), "sqlite_master"),
        None => count(&mut PgConnection::establish(&url).unwrap(), "pg_tables WHERE schemaname = 'public'"),
    };
    assert_eq!(tables, 0);
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

fn count<C>(conn: &mut C, what: &str) -> i64
where
    C: Connection,
    diesel::query_builder::SqlQuery: for<'a> diesel::query_dsl::LoadQuery<'a, C, Count>,
{
    let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {what}"));
    query.get_result::<Count>(conn).unwrap().count
}
