//! `kill -9` in the middle of a refresh load, again and again, on one database: what a client was told before holds
//! after. (A kill leaves what the kernel has: it shows that COMMIT comes before the answer, not that the disk has it.)

// Everything here is a test, helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod login;
#[path = "../process/mod.rs"]
mod process;
mod trial;

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use trial::Trial;

const KILLS: usize = 100;

#[test]
fn whatever_was_acknowledged_before_a_kill_holds_after_it() {
    let mut trial = Trial::new(1);
    let mut server = trial.home.serve();
    for kill in 0..KILLS {
        trial.log_in(&server);
        trial.refresh_until_killed(server);
        server = trial.home.serve();
        trial.check(&server);
        assert_eq!(trial.violations, [""; 0], "after kill {kill}");
    }
    trial.check_past(&server);
    assert_eq!(trial.violations, [""; 0], "at the end");
    eprintln!("{KILLS} kills: {:?}", trial.tally);
    assert!(server.stop().success());
}

/// The checks above can fail: a database that lost its last commits does not pass them.
#[test]
fn a_database_from_before_the_load_is_found_out() {
    let mut trial = Trial::new(2);
    let server = trial.home.serve();
    trial.log_in(&server);
    server.kill();
    let (database, saved) = (trial.home.database(), trial.home.path().join("saved"));
    checkpoint(&database);
    std::fs::copy(&database, &saved).unwrap();

    let server = trial.home.serve();
    trial.refresh_until_killed(server);
    let refreshed = trial.logins.iter().filter(|login| login.generation() > 0).count();
    checkpoint(&database);
    std::fs::copy(&saved, &database).unwrap();

    trial.check(&trial.home.serve());
    assert!(refreshed > 0);
    assert!(trial.violations.len() >= refreshed, "{:?}", trial.violations);
}

/// A backup, or an administrator with the `sqlite3` shell: the last user of a database that leaves it removes the log,
/// and SQLite knows by a POSIX lock whether it is the last. Such a lock is lost when the process that has it opens and
/// closes the file by other means; then the running server would go on writing to a removed log.
#[test]
#[cfg(target_os = "linux")]
fn a_running_server_keeps_its_lock_on_the_database() {
    use std::os::unix::fs::MetadataExt;
    let mut trial = Trial::new(3);
    let server = trial.home.serve();
    trial.log_in(&server);
    let file = std::fs::metadata(trial.home.database()).unwrap().ino().to_string();
    let (process, locks) = (server.id().to_string(), std::fs::read_to_string("/proc/locks").unwrap());
    // 1: POSIX ADVISORY READ <process> <device>:<device>:<file> <start> <end>
    let is_ours = |line: &&str| {
        let words: Vec<_> = line.split_whitespace().collect();
        words[4] == process && words[5].ends_with(&format!(":{file}"))
    };
    assert!(locks.lines().any(|line| is_ours(&line)), "process {process}, file {file}:\n{locks}");
}

/// Opens the database, as another program would, moves its log into it, and leaves.
fn checkpoint(database: &Path) {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}
