//! Servers and commands that all rotate at once: one rotation a round, whoever makes it, and no verifier that notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::clock::{Clock, Timestamp};
use serde_json::Value;

use crate::client::{self, Verifier, log_in};
use crate::process::http::Connection;
use crate::process::{Home, Server};

/// Three servers with a schedule, and commands in a loop.
struct Race {
    commands: usize,
    /// Also how long a key signs at the least.
    propagation_time: &'static str,
    /// For how long verifiers keep the JWKS.
    max_age: &'static str,
    /// How long a verifier may go on without a token's key.
    tolerance: Duration,
    rotations: usize,
    /// Longer is a failure.
    patience: Duration,
}

/// The least of everything that the settings allow: a key signs two seconds after its publication at the earliest. On a
/// busy machine a server may be late to look.
const FASTEST: Race = Race {
    commands: 2,
    propagation_time: "1s",
    max_age: "0s",
    tolerance: Duration::from_secs(1),
    rotations: 100,
    patience: Duration::from_secs(420),
};

/// Two seconds more than the sum of what verifiers and servers keep: one for whole seconds, one for a busy machine.
const UNNOTICED: Race = Race {
    commands: 0,
    propagation_time: "4s",
    max_age: "1s",
    tolerance: Duration::ZERO,
    rotations: 6,
    patience: Duration::from_secs(60),
};

/// What was told and seen.
#[derive(Debug, Default)]
struct Told {
    by_servers: AtomicUsize,
    by_commands: AtomicUsize,
    too_early: AtomicUsize,
    verified: AtomicUsize,
    /// Not by the JWKS that was asked for first.
    late: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Told {
    fn rotations(&self) -> usize {
        self.by_servers.load(Ordering::SeqCst) + self.by_commands.load(Ordering::SeqCst)
    }

    fn complain(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    /// Hears a line of a server's log.
    fn hear(&self, line: &str) {
        if line.contains("event=\"keys_rotated\"") {
            self.by_servers.fetch_add(1, Ordering::SeqCst);
        }
        if ["ERROR", "WARN", "panicked"].iter().any(|word| line.contains(word)) {
            self.complain(line.to_owned());
        }
    }

    /// `keys rotate` again and again. Commands are faster than servers that look once a second, so that in every other
    /// ten rounds they only ask whether they could.
    fn rotate(&self, home: &Home, enough: &AtomicBool) {
        while !enough.load(Ordering::SeqCst) {
            let asks = self.rotations() / 10 % 2 == 1;
            let output = home.run(if asks { &["keys", "rotate", "--dry-run"] } else { &["keys", "rotate"] });
            match output.status.code() {
                Some(0) if asks => 0,
                Some(0) => self.by_commands.fetch_add(1, Ordering::SeqCst),
                Some(5) => self.too_early.fetch_add(1, Ordering::SeqCst),
                _ => return self.complain(format!("{}: {output:?}", output.status)),
            };
        }
    }

    /// Logs in at every server, and shows the token at once to verifiers that ask the others for the keys.
    fn log_in_everywhere(&self, race: &Race, servers: &mut [Verifier]) {
        for server in 0..servers.len() {
            let login = match log_in(&mut servers[server].connection) {
                Ok(login) => login,
                Err(problem) => return self.complain(problem),
            };
            for other in (0..servers.len()).filter(|other| *other != server) {
                match servers[other].verify_within(race.tolerance, &login.access) {
                    Ok(attempts) => {
                        self.verified.fetch_add(1, Ordering::SeqCst);
                        self.late.fetch_add(usize::from(attempts > 1), Ordering::SeqCst);
                    }
                    Err(problem) => self.complain(format!("server {server}'s token at {other}: {problem}")),
                }
            }
        }
    }
}

#[test]
fn servers_and_commands_at_once_make_one_rotation_a_round() {
    let told = FASTEST.run();
    for rotations in [&told.by_servers, &told.by_commands] {
        assert!(rotations.load(Ordering::SeqCst) > 0, "{told:?}");
    }
}

#[test]
fn no_verifier_that_honours_max_age_notices_a_rotation() {
    UNNOTICED.run();
}

impl Race {
    fn run(&self) -> Arc<Told> {
        let home = client::install()
            .with("CHANCERY__KEYS__PROPAGATION_TIME", self.propagation_time)
            .with("CHANCERY__JWKS__MAX_AGE", self.max_age);
        let told = Arc::new(Told::default());
        let servers = [(); 3].map(|()| {
            let told = Arc::clone(&told);
            let schedule = [("CHANCERY__KEYS__ROTATION_INTERVAL", self.propagation_time)];
            home.serve_heard(&schedule, move |line| told.hear(line))
        });
        self.rotate_and_verify(&home, &told, &servers);
        calm_down(&home, &told);
        check_history(&history(&home), &told, humantime::parse_duration(self.propagation_time).unwrap());
        eprintln!("{told:?}");
        assert_eq!(*told.faults.lock().unwrap(), [""; 0]);
        for server in servers {
            assert!(server.stop().success());
        }
        told
    }

    fn rotate_and_verify(&self, home: &Home, told: &Told, servers: &[Server]) {
        let (enough, end) = (AtomicBool::new(false), Clock::System.now() + self.patience);
        let max_age = humantime::parse_duration(self.max_age).unwrap();
        let verifier = |server: &Server| Verifier::new(Connection::open(server.address).unwrap(), max_age);
        let mut verifiers: Vec<_> = servers.iter().map(verifier).collect();
        std::thread::scope(|scope| {
            for _ in 0..self.commands {
                scope.spawn(|| told.rotate(home, &enough));
            }
            while told.rotations() < self.rotations && Clock::System.now() < end {
                told.log_in_everywhere(self, &mut verifiers);
            }
            enough.store(true, Ordering::SeqCst);
        });
        assert!(told.rotations() >= self.rotations, "{told:?}");
    }
}

/// Another server promises more to verifiers: nobody rotates any more. Then waits for what was not told yet.
fn calm_down(home: &Home, told: &Told) {
    let _patient = home.serve_with(&[("CHANCERY__KEYS__PROPAGATION_TIME", "1h")]);
    let rotations = history(home).len() - 2;
    let end = Clock::System.now() + Duration::from_secs(10);
    while told.rotations() < rotations && Clock::System.now() < end {
        std::thread::yield_now();
    }
    assert_eq!(told.rotations(), rotations, "{told:?}");
}

/// A key as `keys list` tells of it.
#[derive(Debug)]
struct Key {
    state: String,
    promoted_by: Option<String>,
    published_at: Timestamp,
    activated_at: Option<Timestamp>,
    retired_at: Option<Timestamp>,
}

/// All keys, in the order in which they signed; the next one last.
fn history(home: &Home) -> Vec<Key> {
    let listed = home.cli(&["keys", "list", "--json"], "");
    let read = |key: &Value| {
        let text = |name: &str| key[name].as_str().map(str::to_owned);
        let time = |name: &str| text(name).map(|time| Timestamp::parse_rfc3339(&time).unwrap());
        Key {
            state: text("state").unwrap(),
            promoted_by: text("promoted_by"),
            published_at: time("published_at").unwrap(),
            activated_at: time("activated_at"),
            retired_at: time("retired_at"),
        }
    };
    let mut keys: Vec<_> = listed.as_array().unwrap().iter().map(read).collect();
    keys.sort_by_key(|key| key.activated_at.map_or(i64::MAX, Timestamp::as_unix));
    keys
}

/// Every rotation promotes the key that the one before it published, retires the one that that promoted, publishes the
/// next, and waits as long as was promised.
fn check_history(keys: &[Key], told: &Told, propagation_time: Duration) {
    let states: Vec<_> = keys.iter().map(|key| key.state.as_str()).collect();
    assert_eq!(states[keys.len() - 2..], ["active", "next"]);
    assert!(states[..keys.len() - 2].iter().all(|state| *state == "retired"), "{states:?}");
    let rotations: Vec<_> = keys[1..keys.len() - 1].iter().map(|key| key.activated_at.unwrap()).collect();
    for (round, around) in keys.windows(3).enumerate() {
        let [former, promoted, published] = around else { unreachable!() };
        let now = rotations[round];
        assert_eq!((former.retired_at, published.published_at), (Some(now), now), "{promoted:?}");
        assert!(now >= promoted.published_at + propagation_time, "{promoted:?}");
        assert!(round == 0 || now > rotations[round - 1], "two rotations in round {round}");
    }
    let promoted = |by: &str| keys.iter().filter(|key| key.promoted_by.as_deref() == Some(by)).count();
    assert_eq!(promoted("first"), 1);
    assert_eq!(promoted("schedule"), told.by_servers.load(Ordering::SeqCst));
    assert_eq!(promoted("command"), told.by_commands.load(Ordering::SeqCst));
}

#[test]
fn forced_rotations_at_once_are_as_many_as_say_so() {
    let home = client::install();
    assert!(home.serve().stop().success());
    let mut losers = 0;
    for round in 0..10 {
        let before = history(&home).len();
        let children = [(); 4].map(|()| home.command().args(["keys", "rotate", "--force"]).spawn().unwrap());
        let mut winners = 0;
        for output in children.map(|child| child.wait_with_output().unwrap()) {
            let told = String::from_utf8(output.stderr).unwrap();
            if output.status.success() {
                winners += 1;
            } else {
                let said: Vec<_> = told.lines().collect();
                assert!(matches!(said[..], [line] if line.contains("nothing was done")), "{told}");
                assert_eq!(output.status.code(), Some(1));
                losers += 1;
            }
        }
        assert!(winners > 0, "round {round}");
        assert_eq!(history(&home).len(), before + winners, "round {round}");
    }
    assert!(losers > 0, "they did not meet");
}
