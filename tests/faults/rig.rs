//! An installation to break: a database with a user and clients, and what its servers say of themselves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::client::{Client, Excuse, Record};
use crate::customer::{API, CLIENTS, Customer, PASSWORD, USER};
use crate::process::http::Connection;
use crate::process::{Home, Server};

/// What every part of the suite has.
pub struct Installation {
    pub home: Home,
    /// The resource server's.
    pub secret: String,
}

impl Installation {
    /// With keys that are made quickly and sign quickly, for what is not about how long anything takes.
    pub fn quick(home: Home) -> Self {
        Self::of(home.with("CHANCERY__KEYS__ALGORITHM", "ES256"))
    }

    /// Makes the user and the clients in a home's database.
    pub fn of(home: Home) -> Self {
        let home = home.with("CHANCERY__METRICS__BIND", "127.0.0.1:0");
        home.create_user(USER, PASSWORD);
        for (id, leeway) in CLIENTS {
            let grants = ["--public", "--grant", "password", "--grant", "refresh_token"];
            home.create_client(id, &[&grants[..], &["--refresh-reuse-leeway", leeway]].concat());
        }
        let created = home.create_client(API, &["--confidential", "--grant", "client_credentials"]);
        Self { home, secret: created["client_secret"].as_str().unwrap().to_owned() }
    }

    pub fn serve(&self) -> Heard {
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&log);
        let server = self.home.serve_heard(&[], move |line| heard.lock().unwrap().push(line.to_owned()));
        Heard { server, log }
    }

    pub fn customers(&self, count: usize, servers: &[SocketAddr]) -> Vec<Customer> {
        (0..count).map(|number| Customer::new(number, servers, &self.secret)).collect()
    }
}

/// A server and all that it has logged.
pub struct Heard {
    pub server: Server,
    log: Arc<Mutex<Vec<String>>>,
}

impl Heard {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The lines that hold all of these words.
    pub fn lines(&self, words: &[&str]) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| words.iter().all(|word| line.contains(word))).cloned().collect()
    }

    /// Status and, of Redis, what the report says.
    pub fn readiness(&self) -> (u16, String) {
        let answer = Client::of(self.address()).get(&Record::new(Excuse::Outage), "/readyz");
        (answer.status, answer.json["redis"].as_str().unwrap_or_default().to_owned())
    }

    pub fn is_ready(&self) -> bool {
        self.readiness().0 == 200
    }

    /// What a metric says; 0 when there is no such one.
    pub fn metric(&self, name: &str) -> u64 {
        let mut connection = Connection::open(self.server.metrics().unwrap()).unwrap();
        let answer = connection.get("/metrics").unwrap();
        let text = String::from_utf8_lossy(answer.body);
        let value = |line: &str| line.strip_prefix(name)?.trim().parse().ok();
        text.lines().find_map(value).unwrap_or(0)
    }
}
