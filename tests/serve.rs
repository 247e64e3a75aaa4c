//! The server as a process: how it starts, what keeps it and the commands about keys from starting, what it shows of
//! its keys while it runs, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first surprise

#[path = "process/mod.rs"]
mod process;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use chancery::clock::Clock;
use process::http::Connection;
use process::stored::{Stored, damage};
use process::{Home, kid_of};

const LOGIN: &str = "grant_type=password&client_id=web&username=alice&password=secret";

fn with_accounts() -> Home {
    let home = Home::with_cheap_passwords();
    home.create_user("alice", "secret");
    home.create_client("web", &["--public", "--grant", "password", "--grant", "refresh_token"]);
    home
}

fn with_quick_keys() -> Home {
    with_accounts().with("CHANCERY__KEYS__ALGORITHM", "ES256").with("CHANCERY__KEYS__RELOAD_INTERVAL", "1s")
}

/// Reads until the text has come.
fn expect(stream: &mut TcpStream, text: &str) -> String {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(text.as_bytes()) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "ended after {}", String::from_utf8_lossy(&read));
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

#[test]
fn a_request_under_way_is_finished_before_the_server_ends() {
    let home = with_accounts();
    let server = home.serve();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        LOGIN.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    expect(&mut stream, "100 Continue\r\n\r\n"); // the handler waits for the body now
    let address = server.address;
    let stopping = std::thread::spawn(move || server.stop());
    let mut attempts = 0;
    while TcpStream::connect(address).is_ok() {
        attempts += 1;
        assert!(attempts < 1_000_000, "it still accepts connections");
        std::thread::yield_now();
    }
    stream.write_all(LOGIN.as_bytes()).unwrap();
    assert!(expect(&mut stream, "\r\n").starts_with("HTTP/1.1 200"));
    expect(&mut stream, "\"access_token\":");
    assert!(stopping.join().unwrap().success());
}

#[test]
fn what_was_issued_before_a_restart_is_good_after_it() {
    let home = with_accounts();
    let server = home.serve();
    let login = Connection::open(server.address).unwrap().post("/token", LOGIN).unwrap().json();
    let jwks = Connection::open(server.address).unwrap().get("/.well-known/jwks.json").unwrap().body.to_vec();
    assert!(server.stop().success());
    let log = std::fs::metadata(home.path().join("chancery.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "the database file alone is the whole database");
    let server = home.serve();
    assert_eq!(Connection::open(server.address).unwrap().get("/.well-known/jwks.json").unwrap().body, jwks);
    let token = login["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=web&refresh_token={token}");
    assert_eq!(Connection::open(server.address).unwrap().post("/token", &form).unwrap().status, 200);
}

#[test]
fn a_server_whose_database_was_removed_ends_without_making_another() {
    let home = with_accounts();
    let server = home.serve();
    // It answers, so it has taken over the signals too.
    assert_eq!(Connection::open(server.address).unwrap().get("/livez").unwrap().status, 200);
    std::fs::remove_file(home.database()).unwrap();
    assert!(server.stop().success());
    assert!(!home.database().exists());
}

#[test]
fn the_database_and_the_master_key_are_their_owners_alone() {
    let home = with_accounts();
    let _server = home.serve();
    for name in ["chancery.db", "chancery.db-wal", "chancery.db-shm", "master.key"] {
        let mode = std::fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn healthcheck_and_a_taken_port_tell_what_they_find() {
    let home = with_accounts();
    let server = home.serve();
    let address = server.address.to_string();
    assert_eq!(home.run(&["healthcheck", "--address", &address]).status.code(), Some(0));
    let taken = home.run(&["serve", "--bind", &address]);
    let told = String::from_utf8(taken.stderr).unwrap();
    assert_eq!((taken.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("cannot listen on") && told.contains("--bind"), "{told}");
    server.kill();
    assert_eq!(home.run(&["healthcheck", "--address", &address]).status.code(), Some(1));
}

/// Nothing that needs the keys does anything: each says in one line what is wrong, and nothing is made or changed.
fn expect_refusals(home: &Home, kid: &str, said: &[&str]) {
    let (stored, files) = (Stored::read(home), lasting_files(home));
    let commands: [&[&str]; 8] = [
        &["list"],
        &["rotate", "--force"],
        &["revoke", kid],
        &["revoke", kid, "--close-sessions"],
        &["export", kid, "--public", "--pem"],
        &["import", "own.pem"],
        &["reseal"],
        &["purge"],
    ];
    let run = |command: &&[&str]| {
        let output = home.run(&[&["keys"], *command].concat());
        (output.status, String::from_utf8(output.stderr).unwrap())
    };
    let Err(served) = home.try_serve() else { panic!("{said:?}: the server starts") };
    for (status, told) in [served].into_iter().chain(commands.iter().map(run)) {
        assert_eq!((status.code(), told.lines().count()), (Some(1), 1), "{said:?}: {told}");
        assert!(said.iter().all(|said| told.contains(said)), "{said:?}: {told}");
    }
    assert_eq!(Stored::read(home), stored, "{said:?}");
    assert_eq!(lasting_files(home), files, "{said:?}");
}

fn lasting_files(home: &Home) -> Vec<String> {
    home.files().into_iter().filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).collect()
}

/// An installation with keys that no server uses any more, and what is stored of it.
fn abandoned() -> (Home, Stored) {
    let home = with_quick_keys();
    assert!(home.serve().stop().success());
    let stored = Stored::read(&home);
    (home, stored)
}

#[test]
fn a_wrong_missing_or_damaged_master_key_stops_everything_with_one_line() {
    let (original, stored) = abandoned();
    let kid = &stored.in_state("active").kid;
    let other = format!("{}\n", "A".repeat(43));
    for (content, said) in [(other.as_str(), "is wrong"), ("", "holds no key"), ("short", "32 bytes")] {
        let home = original.copy();
        std::fs::write(home.master_key(), content).unwrap();
        expect_refusals(&home, kid, &["master key", said]);
        assert_eq!(std::fs::read_to_string(home.master_key()).unwrap(), content);
    }
    std::fs::remove_file(original.master_key()).unwrap();
    expect_refusals(&original, kid, &["master key", "No such file", "keys.master_key_file"]);
}

#[test]
fn a_damaged_row_stops_everything_with_one_line_that_names_its_key() {
    let (original, stored) = abandoned();
    let active = &stored.in_state("active").kid;
    for (statement, kid, said) in damages(&stored) {
        let home = original.copy();
        damage(&home, &statement);
        expect_refusals(&home, active, &[kid, said]);
    }
}

/// Statements, whose key is broken then, and what of it.
fn damages(stored: &Stored) -> Vec<(String, &str, &str)> {
    let [active, next] = ["active", "next"].map(|state| stored.in_state(state));
    let [sealed, other] = [active, next].map(|key| key.sealed_private_jwk.as_deref().unwrap());
    let set = |column: &str, kid: &str, value: &str| {
        format!("UPDATE signing_keys SET {column} = '{value}' WHERE kid = '{kid}';")
    };
    let seal = |kid: &str, value: &str| set("sealed_private_jwk", kid, value);
    let swap = seal(&active.kid, other) + &seal(&next.kid, sealed);
    let cut_mac_key = "UPDATE mac_keys SET sealed_jwk = substr(sealed_jwk, 1, 40)".to_owned();
    let mut damages = vec![
        (swap, next.kid.as_str(), "sealed half is another key's"),
        (seal(&active.kid, &sealed[..sealed.len() / 2]), &active.kid, "sealed half is cut short"),
        (seal(&next.kid, &other[..other.len() - 4]), &next.kid, "sealed half is cut short"),
        (set("public_jwk", &active.kid, &next.public_jwk), &active.kid, "public half is another key's"),
        (cut_mac_key, "mac-0", "sealed half is cut short"),
    ];
    // A character of the header, of which nothing can be read then, and one of each part behind it.
    let parts = sealed.match_indices('.').map(|(dot, _)| (dot + 2, "sealed half is damaged"));
    for (place, said) in [(1, "sealed half is cut short or no JWE")].into_iter().chain(parts) {
        let flipped = if &sealed[place..=place] == "A" { "B" } else { "A" };
        let value = format!("{}{flipped}{}", &sealed[..place], &sealed[place + 1..]);
        damages.push((seal(&active.kid, &value), &active.kid, said));
    }
    damages
}

fn log_in(address: SocketAddr) -> String {
    let login = Connection::open(address).unwrap().post("/token", LOGIN).unwrap().json();
    kid_of(login["access_token"].as_str().unwrap()).unwrap()
}

/// A key's value of a metric.
fn sample(address: SocketAddr, metric: &str, labels: &str) -> Option<i64> {
    let mut connection = Connection::open(address).unwrap();
    let text = String::from_utf8(connection.get("/metrics").unwrap().body.to_vec()).unwrap();
    let start = format!("chancery_key_{metric}{{{labels}}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

#[test]
fn metrics_tell_of_each_key_on_a_port_of_their_own() {
    let home = with_quick_keys();
    let server = home.serve_with(&[("CHANCERY__METRICS__BIND", "127.0.0.1:0")]);
    let (metrics, start) = (server.metrics().unwrap(), Clock::System.now().as_unix());
    let stored = Stored::read(&home);
    let labels = |state| format!("kid=\"{}\",algorithm=\"ES256\"", stored.in_state(state).kid);
    let (active, next) = (labels("active"), labels("next"));
    assert_eq!(sample(metrics, "last_signed_timestamp_seconds", &active), None);
    for logins in 0..3 {
        assert_eq!(sample(metrics, "signatures_total", &active), Some(logins));
        log_in(server.address);
    }
    let now = Clock::System.now().as_unix();
    assert!((start..=now).contains(&sample(metrics, "last_signed_timestamp_seconds", &active).unwrap()));
    assert!((0..=now).contains(&sample(metrics, "age_seconds", &active).unwrap()));
    assert_eq!(sample(metrics, "state", &(active + ",state=\"active\"")), Some(1));
    assert_eq!(sample(metrics, "signatures_total", &next), Some(0));
    assert_eq!(sample(metrics, "state", &(next + ",state=\"next\"")), Some(1));
    for (address, path) in [(server.address, "/metrics"), (metrics, "/.well-known/jwks.json")] {
        assert_eq!(Connection::open(address).unwrap().get(path).unwrap().status, 404);
    }
}

#[test]
fn the_master_key_is_replaced_under_a_running_server() {
    let home = with_quick_keys();
    let server = home.serve();
    let former = log_in(server.address);
    let old = std::fs::read_to_string(home.master_key()).unwrap();
    let new = String::from_utf8(home.run(&["keys", "generate-master-key"]).stdout).unwrap();
    std::fs::write(home.master_key(), format!("{new}{old}")).unwrap();
    home.cli(&["keys", "reseal", "--json"], "");
    let active =
        home.cli(&["keys", "rotate", "--force", "--json"], "")["active"].as_str().unwrap().to_owned();
    assert_ne!(active, former);
    let end = Clock::System.now() + Duration::from_secs(10);
    while log_in(server.address) != active {
        assert!(Clock::System.now() < end, "the server does not take up the new ring");
    }
    std::fs::write(home.master_key(), &new).unwrap();
    assert!(server.stop().success());
    assert_eq!(log_in(home.serve().address), active);
    std::fs::write(home.master_key(), &old).unwrap();
    expect_refusals(&home, &active, &["master key", "is wrong"]);
}
