//! The server as a process: how it starts, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first surprise

#[path = "process/mod.rs"]
mod process;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::Duration;

use process::Home;
use process::http::Connection;

const LOGIN: &str = "grant_type=password&client_id=web&username=alice&password=secret";

fn with_accounts() -> Home {
    let home = Home::with_cheap_passwords();
    home.create_user("alice", "secret");
    home.create_client("web", &["--public", "--grant", "password", "--grant", "refresh_token"]);
    home
}

fn chancery(home: &Home, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.args(arguments).env_clear().env("CHANCERY__ISSUER__URL", "http://127.0.0.1");
    command.current_dir(home.path()).output().unwrap()
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
    assert_eq!(chancery(&home, &["healthcheck", "--address", &address]).status.code(), Some(0));
    let taken = chancery(&home, &["serve", "--bind", &address]);
    let told = String::from_utf8(taken.stderr).unwrap();
    assert_eq!((taken.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("cannot listen on") && told.contains("--bind"), "{told}");
    server.kill();
    assert_eq!(chancery(&home, &["healthcheck", "--address", &address]).status.code(), Some(1));
}

#[test]
fn a_wrong_or_damaged_master_key_keeps_the_server_from_starting_with_one_line() {
    let home = with_accounts();
    home.serve().kill();
    let settings = "[database]\nurl = \"sqlite://chancery.db\"\n[keys]\nmaster_key_file = \"master.key\"\n";
    std::fs::write(home.path().join("chancery.toml"), settings).unwrap();
    let other = format!("{}\n", "A".repeat(43));
    for (content, said) in [(other.as_str(), "wrong"), ("", "holds no key"), ("short", "32 bytes")] {
        std::fs::write(home.path().join("master.key"), content).unwrap();
        for command in ["serve --bind 127.0.0.1:0", "keys rotate --force", "keys list"] {
            let refused = chancery(&home, &command.split(' ').collect::<Vec<_>>());
            let told = String::from_utf8(refused.stderr).unwrap();
            assert_eq!((refused.status.code(), told.lines().count()), (Some(1), 1), "{told}");
            assert!(told.contains(said), "{told}");
        }
    }
}
