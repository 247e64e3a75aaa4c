//! A server whose PostgreSQL fails for a while, under load: what is asserted of every such fault.

use std::time::{Duration, Instant};

use crate::client::{Client, Excuse, Record};
use crate::clock::{await_within, now, pause, percentile};
use crate::customer::{Tally, question_about};
use crate::load;
use crate::process::postgres::Postgres;
use crate::process::{DATABASE, Home};
use crate::proxy::Proxy;
use crate::rig::{Heard, Installation};

pub const CUSTOMERS: usize = 8;
/// How long all is well, before and after.
const WELL: Duration = Duration::from_secs(1);
/// By then a fault shows, or is over.
const SOON: Duration = Duration::from_secs(10);
/// An answer takes a second at the most, and a busy machine has its own delays.
const PROMPT: Duration = Duration::from_millis(1500);
const TOO_LATE: Duration = Duration::from_secs(5);
/// What needs the database.
const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];

pub const LOGIN: &str = "grant_type=password&client_id=strict&username=alice&password=secret";

/// What works meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing that needs the database.
    Whole,
    /// Some.
    Part,
}

/// A server and what it stands on.
pub struct Rig<B> {
    // The server first: it ends before what it stands on.
    pub server: Heard,
    installation: Installation,
    pub base: B,
}

/// PostgreSQL, which the server reaches through the wall.
pub struct Walled {
    pub wall: Proxy,
    pub postgres: Postgres,
}

impl Rig<Walled> {
    pub fn start(postgres: Postgres, connections: u32) -> Self {
        postgres.create_database(DATABASE);
        let wall = Proxy::before(postgres.port());
        let url = format!("postgres://postgres@127.0.0.1:{}/{DATABASE}", wall.port());
        let home = Home::with_cheap_passwords()
            .with("CHANCERY__DATABASE__MAX_CONNECTIONS", &connections.to_string());
        Self::on(Walled { wall, postgres }, home, &url)
    }
}

impl<B> Rig<B> {
    /// On a database that is made already, or will be.
    pub fn on(base: B, home: Home, database: &str) -> Self {
        let installation = Installation::quick(home.with("CHANCERY__DATABASE__URL", database));
        Self { server: installation.serve(), installation, base }
    }

    /// Breaks something under load for a while and mends it. Asserts what holds for every fault.
    pub fn withstand(
        &mut self,
        extent: Extent,
        begin: impl FnOnce(&mut B) -> Duration,
        end: impl FnOnce(&mut B),
    ) -> Tally {
        let record = Record::new(Excuse::Outage);
        let address = [self.server.address()];
        let mut customers = self.installation.customers(CUSTOMERS, &address);
        let mut client = Client::of(address[0]);
        let (down, mended) = load::during(&record, &mut customers, &address, || {
            pause(WELL);
            let session = log_in(&record, &mut client);
            let ill = begin(&mut self.base);
            if extent == Extent::Whole {
                await_within(SOON, "not ready", || self.server.readiness().0 == 503);
            }
            let down = now();
            while now() < down + ill {
                ask_everything(&record, &mut client, &session, &self.installation.secret);
            }
            let mended = now();
            end(&mut self.base);
            let after = await_within(SOON, "ready again", || self.server.is_ready());
            eprintln!("ready again after {after:?}");
            pause(WELL);
            (down, mended)
        });
        await_logins(&self.server);
        let tally = load::settle(&record, &mut customers);
        eprintln!("{tally:?}");
        record.check();
        if extent == Extent::Whole {
            check_nothing_was_done(&record, down, mended);
        }
        check_promptness(&record);
        assert!(tally.refreshed > 50 && tally.refused > 50, "{tally:?}");
        tally
    }
}

/// Access token and refresh token.
fn log_in(record: &Record, client: &mut Client) -> [String; 2] {
    let answer = client.post(record, "/token", LOGIN);
    ["access_token", "refresh_token"].map(|name| answer.json[name].as_str().unwrap().to_owned())
}

/// What customers ask for now and then, whatever the answers are: those are looked at afterwards.
fn ask_everything(record: &Record, client: &mut Client, [access, token]: &[String; 2], secret: &str) {
    client.post(record, "/introspect", &question_about(access, secret));
    client.post(record, "/revoke", &format!("client_id=strict&token={access}"));
    client.post(record, "/revoke", &format!("client_id=strict&token={token}"));
}

/// While the database is out of reach there is no other answer but `503`.
fn check_nothing_was_done(record: &Record, down: Instant, mended: Instant) {
    for path in ENDPOINTS {
        let asked = record.between(down, mended);
        let asked: Vec<_> = asked.iter().filter(|sample| sample.path == path && sample.at > down).collect();
        assert!(!asked.is_empty(), "{path}");
        assert!(asked.iter().all(|sample| sample.status == 503), "{path}: {asked:?}");
        eprintln!("{path}: {} times 503", asked.len());
    }
}

fn check_promptness(record: &Record) {
    let mut times: Vec<_> = record.all().iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    let (most, slowest) = (percentile(&times, 99), *times.last().unwrap());
    eprintln!("{} answers: p99 {most:?}, slowest {slowest:?}", times.len());
    assert!(most < PROMPT && slowest < TOO_LATE, "p99 {most:?}, slowest {slowest:?}");
}

/// The whole pool is well again.
fn await_logins(server: &Heard) {
    let (record, mut client) = (Record::new(Excuse::Outage), Client::of(server.address()));
    let mut in_a_row = 0;
    await_within(SOON, "logins", || {
        in_a_row = if client.post(&record, "/token", LOGIN).status == 200 { in_a_row + 1 } else { 0 };
        in_a_row == 20
    });
    record.check();
}
