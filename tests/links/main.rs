//! The ways to PostgreSQL and Redis that are not a plain connection to one server: TLS, users and passwords, Sentinels
//! with a failover, a cluster. Each with real servers and a real instance, which must use what it was given.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first surprise

mod certificates;
#[path = "../process/mod.rs"]
mod process;
mod redises;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use certificates::Certificates;
use process::http::Connection;
use process::postgres::Postgres;
use process::{Home, Server};
use redises::{Cluster, Node, Sentinels};
use serde_json::Value;

const LOGIN: &str = "client_id=app&username=alice&password=secret";

fn home() -> Home {
    Home::with_cheap_passwords()
}

fn populate(home: &Home) {
    home.create_user("alice", "secret");
    home.create_client("app", &["--public", "--grant", "password", "--grant", "refresh_token"]);
}

fn readiness(server: &Server) -> Value {
    Connection::open(server.address).unwrap().get("/readyz").unwrap().json()
}

/// Waits until an instance says this of Redis: it looks once a second.
fn await_redis(server: &Server, expected: &str) {
    for _ in 0..400 {
        if readiness(server)["redis"] == expected {
            return;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    panic!("{}", readiness(server));
}

/// Logs in, revokes, and tells the session that is closed now.
fn close_a_session(server: &Server) -> String {
    let mut connection = Connection::open(server.address).unwrap();
    let tokens = connection.post("/token", LOGIN).unwrap().json();
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(connection.post("/revoke", &format!("token={token}")).unwrap().status, 200);
    let refresh = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
    assert_eq!(connection.post("/token", &refresh).unwrap().status, 400);
    let claims = tokens["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

/// Whatever the way there is, what is closed stands in Redis.
fn assert_used(server: &Server, exists: impl Fn(&str) -> bool) {
    await_redis(server, "ok");
    let session = close_a_session(server);
    assert!(exists(&format!("chancery:closed:{{{session}}}")), "{session}");
}

#[test]
fn redis_is_used_over_tls_as_a_user_with_a_password() {
    let certificates = Certificates::new();
    let node = Node::with_tls(&certificates, "app", "p@ss:word/");
    let url = format!("rediss://app:p%40ss%3Aword%2F@localhost:{}/0", node.port);
    let home = home().with("CHANCERY__REDIS__URL", &url);
    populate(&home);
    let trust = certificates.authority();
    let server = home.serve_with(&[("SSL_CERT_FILE", trust.to_str().unwrap())]);
    assert_used(&server, |key| node.command(&["EXISTS", key]) == "1");
    // Whom it does not trust it does not use.
    let wary = home.serve_with(&[("SSL_CERT_FILE", "/dev/null")]);
    assert_ne!(readiness(&wary)["redis"], "ok");
}

#[test]
fn a_wrong_redis_password_is_named_and_never_shown() {
    let node = Node::with_password("right");
    let url = format!("redis://:hunter2@127.0.0.1:{}", node.port);
    let home = home().with("CHANCERY__REDIS__URL", &url);
    populate(&home);
    let (lines, heard) = std::sync::mpsc::channel();
    let server = home.serve_heard(&[], move |line| lines.send(line.to_owned()).unwrap_or_default());
    assert_eq!(readiness(&server)["redis"], "out of use: authentication");
    server.stop();
    let log: Vec<_> = heard.iter().collect();
    assert!(log.iter().any(|line| line.contains("authentication")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("hunter2")), "{log:?}");
}

#[test]
fn the_master_that_sentinels_name_is_used_also_after_a_failover() {
    let mut sentinels = Sentinels::start();
    let home = home().with("CHANCERY__REDIS__URL", &sentinels.url());
    populate(&home);
    let server = home.serve();
    assert_used(&server, |key| sentinels.master().command(&["EXISTS", key]) == "1");
    sentinels.fail_over();
    let mut is_used = false;
    for _ in 0..100 {
        await_redis(&server, "ok");
        let key = format!("chancery:closed:{{{}}}", close_a_session(&server));
        is_used = sentinels.master().command(&["EXISTS", &key]) == "1";
        if is_used {
            break;
        }
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
    assert!(is_used, "the new master is not used");
}

#[test]
fn a_cluster_is_used() {
    let cluster = Cluster::start();
    let home = home().with("CHANCERY__REDIS__URL", &cluster.url());
    populate(&home);
    let server = home.serve();
    for _ in 0..10 {
        assert_used(&server, |key| cluster.command(&["EXISTS", key]) == "1");
    }
}

#[test]
fn postgresql_is_used_over_tls_and_must_be_who_it_says() {
    let certificates = Certificates::new();
    let (certificate, key) = certificates.for_postgres();
    let settings = [("ssl", "on"), ("ssl_cert_file", &certificate), ("ssl_key_file", &key)];
    let postgres = Postgres::start_with(&settings);
    let url = postgres.create_database("chancery");
    let trust = certificates.authority();
    let strict = format!("{url}?sslmode=verify-full&sslrootcert={}", trust.display());
    let at_home = home().with("CHANCERY__DATABASE__URL", &strict.replace("127.0.0.1", "localhost"));
    populate(&at_home);
    let server = at_home.serve();
    assert_eq!(readiness(&server)["database"], "ok");
    let encrypted = "SELECT count(*) FROM pg_stat_ssl NATURAL JOIN pg_stat_activity \
                     WHERE application_name = 'chancery' AND NOT ssl";
    assert_eq!(postgres.query("chancery", encrypted), "0");
    // The certificate is localhost's.
    let other_name = home().with("CHANCERY__DATABASE__URL", &strict);
    let told = String::from_utf8(other_name.run(&["users", "list"]).stderr).unwrap();
    assert!(told.contains("certificate") && told.lines().count() == 1, "{told}");
}
