//! Three instances of one issuer, on a PostgreSQL and a Redis of their own.

use std::net::SocketAddr;

use crate::login::{Leeway, PASSWORD, USER};
use crate::process::daemon::free_port;
use crate::process::http::Connection;
use crate::process::postgres::Postgres;
use crate::process::redis::Redis;
use crate::process::{DATABASE, Home, Server};

pub const INSTANCES: usize = 3;
/// For how long a spent token yields its successor again to the lenient client.
pub const LEEWAY: &str = "10s";
/// For how long an instance that is told to stop still answers.
pub const DRAIN_TIME: &str = "2s";
/// How often a port that somebody else was quicker to take is replaced by another one.
const ATTEMPTS: usize = 20;

/// Ends from top to bottom.
pub struct Cluster {
    instances: [Option<Server>; INSTANCES],
    pub addresses: [SocketAddr; INSTANCES],
    pub home: Home,
    pub redis: Redis,
    pub postgres: Postgres,
}

impl Cluster {
    /// With a user, and with a client for each leeway.
    pub fn start() -> Self {
        let (postgres, redis) = (Postgres::start_with(&[("max_connections", "200")]), Redis::start());
        let home = Home::on(&postgres, &redis)
            .with("CHANCERY__TOKENS__REFRESH_REUSE_LEEWAY", LEEWAY)
            .with("CHANCERY__SERVER__DRAIN_TIME", DRAIN_TIME);
        let started = [(); INSTANCES].map(|()| start_anywhere(&home));
        let addresses = started.each_ref().map(|server| server.address);
        home.create_user(USER, PASSWORD);
        let kind = ["--public", "--grant", "password", "--grant", "refresh_token"];
        home.create_client(Leeway::Lenient.client(), &kind);
        let strict = [&kind[..], &["--refresh-reuse-leeway", "0s"]].concat();
        home.create_client(Leeway::Strict.client(), &strict);
        Self { instances: started.map(Some), addresses, home, redis, postgres }
    }

    pub fn connect(&self, instance: usize) -> Connection {
        Connection::open(self.addresses[instance]).unwrap()
    }

    /// A connection to each instance.
    pub fn connect_to_all(&self) -> [Connection; INSTANCES] {
        std::array::from_fn(|instance| self.connect(instance))
    }

    /// `kill -9`.
    pub fn kill(&mut self, instance: usize) {
        self.instances[instance].take().unwrap().kill();
    }

    /// SIGTERM, as a service manager sends it.
    pub fn stop(&mut self, instance: usize) {
        assert!(self.instances[instance].take().unwrap().stop().success());
    }

    /// Starts one that was ended at the same address, and waits until it listens.
    pub fn restart(&mut self, instance: usize) {
        let started = self.home.try_serve_at(self.addresses[instance]);
        self.instances[instance] = Some(started.unwrap_or_else(|(status, log)| panic!("{status}:\n{log}")));
    }

    /// Generation and end of a session as the database has them: `3 open`, `1 reused`.
    pub fn row(&self, session: &str) -> String {
        let query = format!(
            "SELECT generation || ' ' || COALESCE(close_reason, 'open') FROM sessions \
             WHERE id = decode(replace('{session}', '-', ''), 'hex')"
        );
        self.postgres.query(DATABASE, &query)
    }
}

/// On a port at which it can be started again.
fn start_anywhere(home: &Home) -> Server {
    let mut problem = String::new();
    for _ in 0..ATTEMPTS {
        match home.try_serve_at(([127, 0, 0, 1], free_port()).into()) {
            Ok(server) => return server,
            Err((_, log)) if log.contains("cannot listen") => problem = log,
            Err((status, log)) => panic!("{status}:\n{log}"),
        }
    }
    panic!("no port is free: {problem}");
}
