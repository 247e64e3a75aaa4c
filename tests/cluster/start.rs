//! Starts: of ten instances at once where there is nothing yet (no schema, no keys, not even a master key), and of one
//! beside others.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use chancery::store::migrations;
use diesel::connection::SimpleConnection;

use crate::client::{Jwks, log_in};
use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login};
use crate::machine;
use crate::nginx::Nginx;
use crate::process::http::Connection;
use crate::process::postgres::Postgres;
use crate::process::redis::Redis;
use crate::process::{DATABASE, Home, Server};
use crate::time::within;

const AT_ONCE: usize = 10;
/// What `store::migrations` takes: "chancery" in ASCII.
const MIGRATION_LOCK: i64 = i64::from_be_bytes(*b"chancery");
const PATIENCE: Duration = Duration::from_secs(20);

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

/// It takes its port at once, and nothing that is sent there before it can answer: a proxy would wait for it, and lose
/// what it sent if the start fails.
#[test]
fn an_instance_refuses_connections_until_it_can_answer() {
    let _machine = machine::shared();
    let mut cluster = Cluster::start();
    cluster.kill(0);
    let (home, address) = (&cluster.home, cluster.addresses[0]);
    let mut migrating = cluster.postgres.connect(DATABASE);
    migrating.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| home.try_serve_at(address));
        let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        within(PATIENCE, || cluster.postgres.query(DATABASE, waiting) == "1").expect("it waits for the lock");
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let nginx = Nginx::start(cluster.addresses);
        let mut connection = Connection::open(nginx.address).unwrap();
        for _ in 0..2 * INSTANCES {
            Login::open(&mut connection, Leeway::Strict);
        }
        drop(migrating);
        let started = starting.join().unwrap().unwrap_or_else(|(status, log)| panic!("{status}:\n{log}"));
        assert_eq!(Connection::open(started.address).unwrap().get("/readyz").unwrap().status, 200);
    });
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
