//! Redis fails in every way there is, beside two servers on one PostgreSQL. Nothing that is spent or revoked comes back,
//! nobody gets an error, and it costs each connection one wait at the most.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::alone;
use crate::client::{Client, Excuse, Record, Sample};
use crate::clock::{await_within, median, now, pause};
use crate::customer::{CLIENTS, PASSWORD, USER};
use crate::load::{self, End};
use crate::process::Home;
use crate::process::postgres::Postgres;
use crate::process::redis::Redis;
use crate::proxy::Proxy;
use crate::rig::{Heard, Installation};

const CUSTOMERS: usize = 6;
/// How long all is well, and how long it is not.
const WELL: Duration = Duration::from_secs(1);
const ILL: Duration = Duration::from_millis(2500);
/// A probe each second has noticed by then, on a busy machine too.
const NOTICED: Duration = Duration::from_secs(5);
/// What a request waits for Redis, nearly: longer is slow.
const SLOW: Duration = Duration::from_millis(90);

struct Rig {
    // The servers first: they end before what they stand on.
    servers: [Heard; 2],
    redis: Redis,
    wall: Proxy,
    installation: Installation,
    _postgres: Postgres,
}

/// How servers reach Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Direct,
    ThroughWall,
    /// The wall is there before the servers are.
    BehindBlackHole,
}

impl Rig {
    fn start(way: Way, password: Option<&str>) -> Self {
        Self::start_with(way, password, |home| home)
    }

    fn start_with(way: Way, password: Option<&str>, setting: impl FnOnce(Home) -> Home) -> Self {
        let postgres = Postgres::start();
        let redis = password.map_or_else(Redis::start, |word| Redis::start_with(&["--requirepass", word]));
        let wall = Proxy::before(redis.port());
        if way == Way::BehindBlackHole {
            wall.black_hole();
        }
        let port = if way == Way::Direct { redis.port() } else { wall.port() };
        let login = password.map(|word| format!(":{word}@")).unwrap_or_default();
        let url = format!("redis://{login}127.0.0.1:{port}");
        let home = Home::on(&postgres, &redis).with("CHANCERY__REDIS__URL", &url);
        let installation = Installation::quick(setting(home));
        let servers = [installation.serve(), installation.serve()];
        Self { servers, redis, wall, installation, _postgres: postgres }
    }

    fn await_redis(&self, state: &str) -> Duration {
        let is_so = |server: &Heard| server.readiness() == (200, state.to_owned());
        await_within(NOTICED, state, || self.servers.iter().all(is_so))
    }

    /// Breaks Redis under load and mends it. Asserts all that holds for every fault; `mode` is what it is called.
    fn withstand(&mut self, mode: &str, begin: impl FnOnce(&mut Self), end: impl FnOnce(&mut Self)) {
        let record = Record::new(Excuse::Nothing);
        let addresses = [self.servers[0].address(), self.servers[1].address()];
        let mut customers = self.installation.customers(CUSTOMERS, &addresses);
        let [well, ill, mended] = load::during(&record, &mut customers, &addresses, || {
            self.await_redis("ok");
            let well = now();
            pause(WELL);
            let ill = now();
            begin(self);
            self.await_redis(&format!("out of use: {mode}"));
            self.check_metrics(mode);
            pause((ill + ILL).saturating_duration_since(now()));
            let mended = now();
            end(self);
            let after = self.await_redis("ok");
            eprintln!("{mode}: Redis is in use again after {after:?}");
            pause(WELL);
            [well, ill, mended]
        });
        let tally = load::settle(&record, &mut customers);
        record.check();
        assert!(tally.refreshed > 100 && tally.ended > 10 && tally.refused > 100, "{tally:?}");
        eprintln!("{mode}: {tally:?}");
        check_cost(mode, &record, [well, ill, mended]);
        for server in &self.servers {
            assert_eq!(server.metric("chancery_redis_up"), 1);
            let told = server.lines(&["Redis is out of use", &format!("mode=\"{mode}\"")]);
            assert_eq!(told.len(), 1, "{told:#?}");
        }
    }

    fn check_metrics(&self, mode: &str) {
        for server in &self.servers {
            assert_eq!(server.metric("chancery_redis_up"), 0);
            let failures = server.metric(&format!("chancery_redis_failures_total{{failure=\"{mode}\"}}"));
            assert!(failures > 0, "{mode}");
        }
    }
}

/// Every connection waits once at the most, and then all is as quick as it was.
fn check_cost(mode: &str, record: &Record, [well, ill, mended]: [Instant; 3]) {
    let sorted = |start, end| {
        let mut times: Vec<_> =
            record.between(start, end).iter().map(|sample: &Sample| sample.took).collect();
        times.sort_unstable();
        times
    };
    let (before, during) = (sorted(well, ill), sorted(ill, mended));
    let later = sorted(ill + NOTICED.min(ILL / 2), mended);
    let usual = median(&before);
    let slow = |times: &[Duration]| times.iter().filter(|took| **took > usual + SLOW).count();
    eprintln!(
        "{mode}: median {usual:?} before, {:?} during, {:?} later; slow answers: {} of {} before, {} of {} during",
        median(&during),
        median(&later),
        slow(&before),
        before.len(),
        slow(&during),
        during.len(),
    );
    // A machine that is busy otherwise has slow answers, too.
    let noise = during.len() / 20 + 2 * slow(&before) * during.len() / before.len();
    let connections = (CUSTOMERS + 1) * 2;
    assert!(slow(&during) <= connections + noise, "slow: {} of {}", slow(&during), during.len());
    let normal = (3 * usual).max(usual + Duration::from_millis(20));
    assert!(median(&later) <= normal, "{:?} instead of {usual:?}", median(&later));
}

#[test]
fn redis_may_be_killed_and_started_again() {
    let _alone = alone();
    let mut rig = Rig::start(Way::Direct, None);
    rig.withstand("unreachable", |rig| rig.redis.kill(), |rig| rig.redis.start_again());
}

#[test]
fn redis_may_be_paused() {
    let _alone = alone();
    let mut rig = Rig::start(Way::Direct, None);
    let pause = |rig: &mut Rig| assert_eq!(rig.redis.command(&["CLIENT", "PAUSE", "3000", "ALL"]), "OK");
    rig.withstand("timeout", pause, |_| {});
}

#[test]
fn what_is_sent_to_redis_may_vanish() {
    let _alone = alone();
    let mut rig = Rig::start(Way::ThroughWall, None);
    rig.withstand("timeout", |rig| rig.wall.black_hole(), |rig| rig.wall.pass());
}

/// As many as may be wrong are being looked at all the time, and Redis does not see the end of them.
#[test]
fn guesses_whose_end_redis_did_not_see_keep_nobody_waiting() {
    let _alone = alone();
    // A guess takes longer than Redis is waited for.
    let slow = |home: Home| {
        home.with("CHANCERY__PASSWORD__MEMORY_KIB", "19456").with("CHANCERY__PASSWORD__ITERATIONS", "4")
    };
    let rig = Rig::start_with(Way::ThroughWall, None, slow);
    let record = Record::new(Excuse::Nothing);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..CUSTOMERS {
            let mut client = Client::of(rig.servers[number % 2].address());
            let (record, is_over) = (&record, &is_over);
            scope.spawn(move || {
                let form = format!("client_id={}&username={USER}&password={PASSWORD}", CLIENTS[0].0);
                while !is_over.load(Ordering::SeqCst) {
                    assert_eq!(client.post(record, "/token", &form).status, 200);
                }
            });
        }
        let _ends = End(&is_over);
        pause(WELL);
        rig.wall.black_hole();
        rig.await_redis("out of use: timeout");
        rig.wall.pass();
        rig.await_redis("ok");
        pause(2 * NOTICED);
    });
    record.check();
    let slowest = record.all().iter().map(|sample| sample.took).max().unwrap();
    eprintln!("the slowest of {} logins: {slowest:?}", record.all().len());
    // Far less than the ten seconds after which such a guess is forgotten.
    assert!(slowest < Duration::from_secs(4), "{slowest:?}");
}

#[test]
fn redis_may_be_a_replica_that_takes_no_writes() {
    let _alone = alone();
    let mut rig = Rig::start(Way::Direct, None);
    let demote = |rig: &mut Rig| {
        // Nobody is at this master's port.
        assert_eq!(rig.redis.command(&["CONFIG", "SET", "replica-read-only", "yes"]), "OK");
        assert_eq!(rig.redis.command(&["REPLICAOF", "127.0.0.1", "1"]), "OK");
    };
    let promote = |rig: &mut Rig| assert_eq!(rig.redis.command(&["REPLICAOF", "NO", "ONE"]), "OK");
    rig.withstand("read_only", demote, promote);
}

#[test]
fn redis_may_be_out_of_memory() {
    let _alone = alone();
    let mut rig = Rig::start(Way::Direct, None);
    let limit = |rig: &mut Rig, bytes| {
        assert_eq!(rig.redis.command(&["CONFIG", "SET", "maxmemory", bytes]), "OK");
    };
    rig.withstand("out_of_memory", |rig| limit(rig, "1"), |rig| limit(rig, "0"));
}

#[test]
fn redis_may_change_its_password() {
    let _alone = alone();
    let mut rig = Rig::start(Way::Direct, Some("right"));
    let change = |rig: &mut Rig, from, to| {
        let asked = ["-a", from, "CONFIG", "SET", "requirepass", to];
        assert_eq!(rig.redis.command(&asked), "OK");
    };
    let lock_out = |rig: &mut Rig| {
        change(rig, "right", "other");
        rig.redis.command(&["-a", "other", "CLIENT", "KILL", "TYPE", "normal"]);
        rig.redis.command(&["-a", "other", "CLIENT", "KILL", "TYPE", "pubsub"]);
    };
    rig.withstand("authentication", lock_out, |rig| change(rig, "other", "right"));
}

#[test]
fn redis_may_be_unheard_of_when_servers_start() {
    let _alone = alone();
    let mut rig = Rig::start(Way::BehindBlackHole, None);
    rig.await_redis("out of use: timeout");
    rig.check_metrics("timeout");
    let record = Record::new(Excuse::Nothing);
    let addresses = [rig.servers[0].address(), rig.servers[1].address()];
    let mut customers = rig.installation.customers(CUSTOMERS, &addresses);
    load::during(&record, &mut customers, &addresses, || {
        pause(WELL);
        rig.wall.pass();
        rig.await_redis("ok");
        pause(WELL);
    });
    let tally = load::settle(&record, &mut customers);
    record.check();
    eprintln!("from the start: {tally:?}");
    rig.redis.kill();
    rig.await_redis("out of use: unreachable");
    load::settle(&record, &mut customers);
    record.check();
}

#[test]
fn redis_may_forget_everything_again_and_again() {
    let _alone = alone();
    let rig = Rig::start(Way::Direct, None);
    let record = Record::new(Excuse::Nothing);
    let addresses = [rig.servers[0].address(), rig.servers[1].address()];
    let mut customers = rig.installation.customers(CUSTOMERS, &addresses);
    load::during(&record, &mut customers, &addresses, || {
        let end = now() + ILL;
        while now() < end {
            assert_eq!(rig.redis.command(&["FLUSHALL"]), "OK");
            pause(Duration::from_millis(10));
        }
        rig.await_redis("ok");
    });
    let tally = load::settle(&record, &mut customers);
    record.check();
    eprintln!("flushed: {tally:?}");
    assert!(tally.refused > 100, "{tally:?}");
    for server in &rig.servers {
        assert!(server.lines(&["Redis is out of use"]).is_empty());
        assert!(server.metric("chancery_redis_refusals_total") > 0);
    }
}
