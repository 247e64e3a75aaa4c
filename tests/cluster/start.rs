//! Starts: of ten instances at once where there is nothing yet (no schema, no keys, not even a master key), and of one
//! beside others.

use std::sync::{Arc, Barrier, Mutex};

use chancery::store::migrations;

use crate::client::{Jwks, log_in};
use crate::machine;
use crate::process::http::Connection;
use crate::process::postgres::Postgres;
use crate::process::redis::Redis;
use crate::process::{Home, Server};

const AT_ONCE: usize = 10;

#[test]
fn ten_instances_that_start_at_once_on_an_empty_postgres_make_one_migration_and_one_ring() {
    let _machine = machine::shared();
    let (postgres, redis) = (Postgres::start_with(&[("max_connections", "200")]), Redis::start());
    check_start(&Home::on(&postgres, &redis));
}

#[test]
fn ten_instances_that_start_at_once_on_an_empty_sqlite_file_make_one_migration_and_one_ring() {
    let _machine = machine::shared();
    // Keys that are made in no time: they meet at the file.
    check_start(&Home::with_cheap_passwords().with("CHANCERY__KEYS__ALGORITHM", "ES256"));
}

fn check_start(home: &Home) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let servers = start_at_once(home, &log);
    home.create_user("alice", "secret");
    home.create_client("web", &["--public", "--grant", "password", "--grant", "refresh_token"]);
    check_unity(&servers);
    let listed = home.cli(&["keys", "list", "--json"], "");
    let mut states: Vec<_> = listed.as_array().unwrap().iter().map(|key| key["state"].as_str()).collect();
    states.sort_unstable();
    assert_eq!(states, [Some("active"), Some("next")]);
    drop(servers); // and with them the rest of their logs is read
    check_log(home, &log.lock().unwrap());
}

fn start_at_once(home: &Home, log: &Arc<Mutex<Vec<String>>>) -> Vec<Server> {
    let start = Barrier::new(AT_ONCE);
    let serve = || {
        let log = Arc::clone(log);
        start.wait();
        home.serve_heard(&[], move |line| log.lock().unwrap().push(line.to_owned()))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(serve)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// All are ready, publish the same keys, and sign what these verify.
fn check_unity(servers: &[Server]) {
    let mut connections: Vec<_> =
        servers.iter().map(|server| Connection::open(server.address).unwrap()).collect();
    for connection in &mut connections {
        let answer = connection.get("/readyz").unwrap();
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    let documents: Vec<_> = connections.iter_mut().map(Jwks::document).collect();
    assert!(documents.iter().all(|document| *document == documents[0]), "{documents:?}");
    let jwks = Jwks::fetch(&mut connections[0]);
    for connection in &mut connections {
        jwks.verify(&log_in(connection).unwrap().access).unwrap();
    }
}

/// Every migration was run by one of them, and one of them made the ring.
fn check_log(home: &Home, log: &[String]) {
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    let environment = home.environment();
    let (_, url) = environment.iter().rfind(|(name, _)| name == "CHANCERY__DATABASE__URL").unwrap();
    let known = migrations::status(url).unwrap();
    assert!(known.iter().all(|migration| migration.applied), "{known:?}");
    let ran = |line: &String| Some(line.split_once("migrated migration=")?.1.to_owned());
    let mut ran: Vec<_> = log.iter().filter_map(ran).collect();
    assert_eq!(ran.len(), known.len(), "{log:?}");
    ran.dedup();
    assert_eq!(ran.len(), known.len(), "{log:?}");
    assert_eq!(count("event=\"ring_created\""), 1, "{log:?}");
    assert_eq!(count("ERROR") + count("panicked"), 0, "{log:?}");
}
