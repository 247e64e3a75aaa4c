//! The promise of the timeline, as a property: whatever instances with whatever settings do in whatever order, no token
//! is signed with a key that a verifier's cache may lack, none loses its key while it lives, and one key signs.

use std::collections::HashMap;
use std::time::Duration;

use josekit::jwk::Jwk;
use proptest::prelude::*;

use super::sealing::Sealed;
use super::{KeyState, Promises, Promotion, SigningKey, rotation};
use crate::clock::Timestamp;
use crate::config::{Algorithm, CLOCK_SKEW};

const SKEW: i64 = CLOCK_SKEW.as_secs().cast_signed();

/// What an instance is set to, such as `config check` accepts. Seconds.
#[derive(Clone, Copy, Debug)]
struct Settings {
    max_age: i64,
    reload: i64,
    propagation: i64,
    lifetime: i64,
    retention: i64,
    interval: i64,
}

impl Settings {
    fn promises(self) -> Promises {
        Promises::from_seconds(self.propagation, self.retention)
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    (0..40_i64, 1..4_i64, 0..3_i64, 1..60_i64, 0..3_i64, prop_oneof![Just(0), 0..60_i64]).prop_map(
        |(max_age, reload, spare_propagation, lifetime, spare_retention, spare_interval)| {
            let propagation = max_age + reload + spare_propagation;
            let retention = lifetime + reload + SKEW + spare_retention;
            let interval = if spare_interval == 0 { 0 } else { propagation + spare_interval };
            Settings { max_age, reload, propagation, lifetime, retention, interval }
        },
    )
}

#[derive(Clone, Debug)]
enum Step {
    Pass(i64),
    Restart(usize, Settings),
    /// A command, which may be run with other settings than any server's.
    Rotate(Settings),
    /// The same, in the first second in which it is safe.
    RotateAtOnce(Settings),
    Force(Settings),
    Import(Settings),
    Revoke(prop::sample::Index, Settings),
    Purge,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..30_i64).prop_map(Step::Pass),
        4 => (0..INSTANCES, settings()).prop_map(|(number, settings)| Step::Restart(number, settings)),
        2 => settings().prop_map(Step::Rotate),
        8 => settings().prop_map(Step::RotateAtOnce),
        1 => settings().prop_map(Step::Force),
        1 => settings().prop_map(Step::Import),
        1 => (any::<prop::sample::Index>(), settings()).prop_map(|(key, settings)| Step::Revoke(key, settings)),
        1 => Just(Step::Purge),
    ]
}

const INSTANCES: usize = 3;

struct Instance {
    settings: Settings,
    ring: Vec<SigningKey>,
    checked_at: i64,
}

struct Token {
    kid: String,
    expires_at: i64,
}

struct World {
    now: i64,
    stored: Vec<SigningKey>,
    instances: Vec<Instance>,
    /// Until when a verifier may use a cached JWKS that lacks the key.
    unknown_until: HashMap<String, i64>,
    /// Until when any cached JWKS may be used.
    cached_until: i64,
    tokens: Vec<Token>,
    /// Keys that were published before this may be unknown: somebody forced a rotation, or revoked a key.
    disturbed_until: i64,
    made: u32,
}

impl World {
    fn new(settings: &[Settings]) -> Self {
        let mut world = Self {
            now: 1_000,
            stored: Vec::new(),
            instances: Vec::new(),
            unknown_until: HashMap::new(),
            cached_until: 0,
            tokens: Vec::new(),
            disturbed_until: 0,
            made: 0,
        };
        let (first, second, now) = (world.make(), world.make(), world.time());
        let promises = settings[0].promises();
        world.stored.push(SigningKey::next(&first, promises, now).activated(Promotion::First, now));
        world.stored.push(SigningKey::next(&second, promises, now));
        for settings in settings {
            world.instances.push(Instance { settings: *settings, ring: Vec::new(), checked_at: 0 });
            world.reload(world.instances.len() - 1);
        }
        world
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_unix(self.now)
    }

    /// A key that no cache knows yet.
    fn make(&mut self) -> Sealed {
        self.made += 1;
        let kid = format!("key-{}", self.made);
        self.unknown_until.insert(kid.clone(), self.cached_until);
        let (public, private) = (Jwk::new("oct"), String::new());
        Sealed { kid, algorithm: Algorithm::Es256, public, private }
    }

    fn put(&mut self, changed: impl IntoIterator<Item = SigningKey>) {
        for key in changed {
            self.stored.retain(|known| known.kid != key.kid);
            self.stored.push(key);
        }
    }

    fn reload(&mut self, number: usize) {
        let raised = rotation::raise_promises(&self.stored, self.instances[number].settings.promises());
        self.put(raised);
        self.instances[number].ring = self.stored.clone();
        self.instances[number].checked_at = self.now;
    }

    fn rotate(&mut self, by: Promotion, settings: Settings) {
        let fresh = self.make();
        match rotation::rotate(&self.stored, &fresh, settings.promises(), by, self.time()) {
            Ok(rotated) => {
                self.put([rotated.retired, rotated.active, rotated.next]);
                // Whoever rotates may sign in the same second.
                self.reload(0);
                self.sign(0);
            }
            Err(_) => assert!(by.waits(), "a forced rotation is always possible"),
        }
    }

    fn disturb(&mut self) {
        let longest = self.instances.iter().map(|one| one.settings.reload + one.settings.propagation).max();
        self.disturbed_until = self.now + longest.unwrap();
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(seconds) => (0..seconds).for_each(|_| self.pass_a_second()),
            Step::Restart(number, settings) => {
                self.instances[number].settings = settings;
                self.reload(number);
            }
            Step::Rotate(settings) => self.rotate(Promotion::Command, settings),
            Step::RotateAtOnce(settings) => {
                // Once: a schedule may come first, again and again.
                let safe_at = rotation::promotable_at(&self.stored, settings.promises()).unwrap();
                while self.time() < safe_at {
                    self.pass_a_second();
                }
                self.rotate(Promotion::Command, settings);
            }
            Step::Force(settings) => {
                self.disturb();
                self.rotate(Promotion::Forced, settings);
            }
            Step::Import(settings) => {
                let fresh = self.make();
                let now = self.time();
                let keys = rotation::replace_next(&self.stored, &fresh, settings.promises(), now);
                self.put(keys.unwrap());
            }
            Step::Revoke(index, settings) => {
                self.disturb();
                let kid = index.get(&self.stored).kid.clone();
                let fresh = self.make();
                let done = rotation::revoke(&self.stored, &kid, &fresh, settings.promises(), self.time());
                if let Some(done) = done.unwrap() {
                    self.put([Some(done.revoked), done.active, done.next].into_iter().flatten());
                }
                self.tokens.retain(|token| token.kid != kid);
            }
            Step::Purge => {
                let forgotten = rotation::forgettable(&self.stored, self.time());
                self.stored.retain(|key| !forgotten.contains(&key.kid));
            }
        }
    }

    /// Every instance publishes, signs, and then looks for what is new, as late as it may.
    fn pass_a_second(&mut self) {
        self.now += 1;
        for number in 0..INSTANCES {
            self.publish(number);
        }
        for number in 0..INSTANCES {
            self.sign(number);
        }
        for number in 0..INSTANCES {
            let Instance { settings, checked_at, .. } = self.instances[number];
            if self.now - checked_at >= settings.reload {
                self.reload(number);
                let interval = Duration::from_secs(u64::try_from(settings.interval).unwrap());
                let due = rotation::scheduled_at(&self.stored, settings.promises(), interval).unwrap();
                if due.is_some_and(|due| self.time() >= due) {
                    self.rotate(Promotion::Schedule, settings);
                }
            }
        }
    }

    /// Verifiers fetch this instance's JWKS now. What lives must be in it.
    fn publish(&mut self, number: usize) {
        let Instance { settings, ring, .. } = &self.instances[number];
        let now = self.time();
        let published: Vec<&str> =
            ring.iter().filter(|key| key.is_published(now)).map(|key| key.kid.as_str()).collect();
        let until = self.now + settings.max_age;
        self.cached_until = self.cached_until.max(until);
        for (kid, unknown_until) in &mut self.unknown_until {
            if !published.contains(&kid.as_str()) {
                *unknown_until = (*unknown_until).max(until);
            }
        }
        self.tokens.retain(|token| self.now < token.expires_at + SKEW);
        for token in &self.tokens {
            let known = ring.iter().find(|key| key.kid == token.kid);
            let is_published = published.contains(&token.kid.as_str());
            // After a forced rotation an instance may not have heard of the key, or heard that it is revoked.
            let excused = self.now <= self.disturbed_until
                || known.is_some_and(|key| matches!(key.state, KeyState::Revoked { .. }));
            assert!(is_published || excused, "a token lives without its key {}", token.kid);
        }
    }

    fn sign(&mut self, number: usize) {
        let Instance { settings, ring, .. } = &self.instances[number];
        let key = rotation::active(ring).unwrap();
        let is_revoked = |key: &&SigningKey| matches!(key.state, KeyState::Revoked { .. });
        let revoked = self.stored.iter().filter(is_revoked).any(|one| one.kid == key.kid);
        let known = self.now >= self.unknown_until[&key.kid];
        let excused = key.published_at.as_unix() <= self.disturbed_until;
        assert!(known || excused, "{} signs and may be unknown", key.kid);
        if !revoked {
            self.tokens.push(Token { kid: key.kid.clone(), expires_at: self.now + settings.lifetime });
        }
    }

    fn check_ring(&self) {
        assert!(rotation::active(&self.stored).is_ok() && rotation::next(&self.stored).is_ok());
        for key in &self.stored {
            let may_sign = key.is_active() || key.state == KeyState::Next;
            assert_eq!(may_sign, key.sealed.is_some(), "{key:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_breaks_a_promise_to_verifiers(
        instances in prop::array::uniform3(settings()),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(&instances);
        for step in steps {
            world.take(step);
            world.check_ring();
        }
    }
}

/// The property can fail: with the interlock off it does.
#[test]
#[should_panic(expected = "signs and may be unknown")]
fn without_the_interlock_a_key_signs_that_a_cache_lacks() {
    let settings =
        Settings { max_age: 20, reload: 2, propagation: 22, lifetime: 30, retention: 100, interval: 0 };
    let mut world = World::new(&[settings; INSTANCES]);
    world.take(Step::Pass(50));
    world.rotate(Promotion::Forced, settings);
    world.rotate(Promotion::Forced, settings);
    world.take(Step::Pass(5));
}

/// And without the promises in the rows a lowered setting breaks it.
#[test]
#[should_panic(expected = "a token lives without its key")]
fn without_recorded_promises_a_shorter_retention_drops_a_key_too_early() {
    let generous =
        Settings { max_age: 5, reload: 1, propagation: 6, lifetime: 50, retention: 120, interval: 0 };
    let brief = Settings { lifetime: 1, retention: 62, ..generous };
    let mut world = World::new(&[generous; INSTANCES]);
    world.take(Step::Pass(50));
    (0..INSTANCES).for_each(|number| world.take(Step::Restart(number, brief)));
    for key in &mut world.stored {
        key.promises = brief.promises();
    }
    world.take(Step::Rotate(brief));
    world.take(Step::Pass(80));
}
