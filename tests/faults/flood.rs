//! More logins than can be hashed, at the real cost of a password. Those that there is no room for are told so at once,
//! refreshes go on beside them, and memory stays within what the hashing threads need.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::alone;
use crate::client::{Client, Excuse, Record, Sample};
use crate::clock::{await_within, now, pause, percentile};
use crate::memory::{megabytes, peak, resident};
use crate::outage::LOGIN;
use crate::process::postgres::Postgres;
use crate::process::{DATABASE, Home};
use crate::rig::{Heard, Installation};

/// Clients that log in, and how often each does: together ten times what two threads hash, and more.
const FLOOD: u32 = 160;
/// The priority of what should not be here (`nice`).
const LEAST: i32 = 19;
const EACH: Duration = Duration::from_millis(250);
/// Clients that refresh, and how often each does.
const TRICKLE: usize = 4;
const DRIP: Duration = Duration::from_millis(40);
/// One after the other and again, so that what else the machine does meets both alike.
const TIDES: usize = 3;
const IDLE: Duration = Duration::from_millis(1500);
const FLOODED: Duration = Duration::from_millis(2700);
/// Beside what Argon2 takes: connections with their buffers, the database's, and what the allocator keeps.
const SLACK: u64 = 128 * 1024 * 1024;
/// What else comes and goes with the moment.
const FLAT: u64 = 24 * 1024 * 1024;
/// No clock of a busy machine exceeds this.
const GENEROUS: Duration = Duration::from_secs(1);
/// Logins that are hung up on.
const QUITTERS: usize = 10_000;
const ROUNDS: usize = 4;

/// A server with passwords as they are by default.
struct Rig {
    server: Heard,
    _installation: Installation,
    _postgres: Postgres,
}

impl Rig {
    fn start() -> Self {
        let postgres = Postgres::start();
        let home = Home::new().with("CHANCERY__DATABASE__URL", &postgres.create_database(DATABASE));
        // One user from one address stands for many.
        let home = home
            .with("CHANCERY__LIMITS__ATTEMPTS", "0")
            .with("CHANCERY__LIMITS__ACCOUNT_ATTEMPTS", "0")
            .with("CHANCERY__LIMITS__ADDRESS_ATTEMPTS", "0");
        let installation = Installation::of(home);
        Self { server: installation.serve(), _installation: installation, _postgres: postgres }
    }

    /// What the hashing threads and their surroundings may take above what is taken now.
    fn bound(&self) -> u64 {
        resident(self.server.server.id()) + hashing() + SLACK
    }
}

/// What all hashing threads take while they are at work.
fn hashing() -> u64 {
    let threads = std::thread::available_parallelism().unwrap().get() as u64;
    threads * 19_456 * 1024
}

/// Does something again and again, until the end.
fn repeat(until: Instant, pace: Duration, mut work: impl FnMut()) {
    while now() < until {
        let next = now() + pace;
        work();
        pause(next.saturating_duration_since(now()));
    }
}

/// Refreshes, and fetches the keys.
fn trickle(record: &Record, address: SocketAddr, until: Instant, mut token: String) {
    let mut client = Client::of(address);
    repeat(until, DRIP, || {
        let form = format!("grant_type=refresh_token&client_id=strict&refresh_token={token}");
        let answer = client.post(record, "/token", &form);
        match answer.json["refresh_token"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => record.complain(format!("a refresh is answered {answer:?}")),
        }
        client.get(record, "/.well-known/jwks.json");
    });
}

/// Logs in, more often than there is room for.
fn flood(rig: &Rig, logins: &Record, until: Instant) {
    std::thread::scope(|scope| {
        for number in 0..FLOOD {
            scope.spawn(move || {
                // They would be on other machines, and take no time from this one.
                let _ = rustix::process::setpriority_process(None, LEAST);
                let mut client = Client::of(rig.server.address());
                // Nobody waits for the others to begin.
                pause(EACH * number / FLOOD);
                repeat(until, EACH, || drop(client.post(logins, "/token", LOGIN)));
            });
        }
    });
}

/// Says how long so many of a hundred refreshes take at most, without and with the flood; with it.
fn compare(idle: &mut [Duration], flooded: &mut [Duration], percent: usize) -> Duration {
    let [before, during] = [idle, flooded].map(|times| {
        times.sort_unstable();
        percentile(times, percent)
    });
    let ratio = during.as_secs_f64() / before.as_secs_f64();
    eprintln!("refreshes: p{percent} {before:?} idle, {during:?} flooded: × {ratio:.1}");
    during
}

/// Runs the trickle for a while beside something; the refreshes' times.
fn refreshes(rig: &Rig, duration: Duration, beside: impl Fn(Instant) + Sync) -> Vec<Duration> {
    let (record, address) = (Record::new(Excuse::Nothing), rig.server.address());
    let mut client = Client::of(address);
    let tokens = [(); TRICKLE].map(|()| {
        let answer = client.post(&record, "/token", LOGIN);
        answer.json["refresh_token"].as_str().unwrap().to_owned()
    });
    let start = now();
    std::thread::scope(|scope| {
        for token in tokens {
            let record = &record;
            scope.spawn(move || trickle(record, address, start + duration, token));
        }
        beside(start + duration);
    });
    record.check();
    let is_refresh = |sample: &&Sample| sample.path == "/token" && sample.at >= start;
    record.all().iter().filter(is_refresh).map(|sample| sample.took).collect()
}

#[test]
fn a_flood_of_logins_takes_neither_refreshes_nor_memory() {
    let _alone = alone();
    let rig = Rig::start();
    let (bound, logins) = (rig.bound(), Record::new(Excuse::Outage));
    let (mut idle, mut flooded) = (vec![], vec![]);
    for _ in 0..TIDES {
        idle.extend(refreshes(&rig, IDLE, |_| {}));
        flooded.extend(refreshes(&rig, FLOODED, |end| flood(&rig, &logins, end)));
    }
    logins.check();
    let count = |status| logins.all().iter().filter(|sample| sample.status == status).count();
    let (welcome, put_off) = (count(200), count(503));
    eprintln!("logins: {welcome} welcome, {put_off} put off");
    assert!(welcome > 0 && put_off > welcome, "{welcome} welcome, {put_off} put off");
    for percent in [50, 95] {
        compare(&mut idle, &mut flooded, percent);
    }
    let during = compare(&mut idle, &mut flooded, 99);
    assert!(during < GENEROUS, "p99 {during:?}");
    check_memory(&rig, bound);
}

#[test]
fn logins_whose_clients_hang_up_at_once_leave_nothing_behind() {
    let _alone = alone();
    let rig = Rig::start();
    let bound = rig.bound();
    let levels = [(); ROUNDS].map(|()| {
        hang_up(&rig);
        resident(rig.server.server.id())
    });
    eprintln!("resident after each {}: {:?}", QUITTERS / ROUNDS, levels.map(megabytes));
    let [first, .., last] = levels;
    // At either moment the threads may be at work or not.
    assert!(last < first + hashing() + FLAT, "from {} to {}", megabytes(first), megabytes(last));
    check_memory(&rig, bound);
}

/// Many log in and leave without an answer; then the server is as well as before.
fn hang_up(rig: &Rig) {
    let start = now();
    let request = format!(
        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{LOGIN}",
        LOGIN.len()
    );
    let log_in_and_leave = || {
        for _ in 0..QUITTERS / ROUNDS / TRICKLE {
            TcpStream::connect(rig.server.address()).unwrap().write_all(request.as_bytes()).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..TRICKLE {
            scope.spawn(log_in_and_leave);
        }
    });
    let (record, mut client) = (Record::new(Excuse::Outage), Client::of(rig.server.address()));
    let is_welcome = || client.post(&record, "/token", LOGIN).status == 200;
    let after = await_within(Duration::from_secs(20), "a login", is_welcome);
    record.check();
    let places = || rig.server.metric("chancery_password_places_free") == all_places();
    await_within(Duration::from_secs(10), "every place is free again", places);
    eprintln!("{:?} of hanging up; a login is welcome {after:?} later", now() - start);
}

/// Threads and queue.
fn all_places() -> u64 {
    std::thread::available_parallelism().unwrap().get() as u64 + 64
}

fn check_memory(rig: &Rig, bound: u64) {
    let process = rig.server.server.id();
    let (most, left) = (peak(process), resident(process));
    eprintln!("{} resident, at most {}, of {}", megabytes(left), megabytes(most), megabytes(bound));
    assert!(most < bound, "{} instead of {}", megabytes(most), megabytes(bound));
}
