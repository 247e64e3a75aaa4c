//! Fifty rotations under two hundred verifiers: three instances with different reload phases, verifiers with different
//! cache ages and cool-downs, rotations by schedule and by command. Real HTTP, the injected clock.

use std::collections::HashMap;

use chancery::cli::Cli;
use chancery::keys::Promotion;
use clap::Parser;
use josekit::jwk::Jwk;
use josekit::jws::{self, ES256, JwsVerifier, RS256};
use serde_json::Value;

use super::support::{MASTER_KEY, Service, decode};

const MAX_AGE: u64 = 300;
const RELOAD: u64 = 10;
const PROPAGATION: u64 = 1200;
const LIFETIME: u64 = 600;
const SETTINGS: [(&str, &str); 7] = [
    ("keys.algorithm", "ES256"),
    ("jwks.max_age", "300s"),
    ("keys.reload_interval", "10s"),
    ("keys.propagation_time", "20m"),
    ("keys.rotation_interval", "25m"),
    ("keys.retention", "11m 10s"),
    ("tokens.access_token_lifetime", "10m"),
];
/// When each instance looks for changes, in seconds of every reload interval.
const PHASES: [u64; 3] = [0, 3, 7];
const VERIFIERS: u64 = 200;

/// A resource server: how long it keeps a JWKS, and how long it waits before an unknown key makes it fetch again (none:
/// it never does).
struct Verifier {
    cache_age: u64,
    cool_down: Option<u64>,
    /// Which instance it is sent to next.
    instance: usize,
    keys: HashMap<String, Box<dyn JwsVerifier>>,
    fetched_at: Option<u64>,
}

impl Verifier {
    /// Half of them look at Cache-Control or cache for longer on their own, at most for as long as a propagation time
    /// allows; the others cache for a day but look again for a key that they do not know.
    fn numbered(number: u64) -> Self {
        let (cache_age, cool_down) = match number % 4 {
            0 => (1 + number * MAX_AGE / VERIFIERS, None),
            1 => (1 + number * (PROPAGATION - RELOAD) / VERIFIERS, None),
            2 => (12 * 3600, Some(30 + number)),
            _ => (24 * 3600, Some(0)),
        };
        let instance = usize::try_from(number % 3).unwrap();
        Self { cache_age, cool_down, instance, keys: HashMap::new(), fetched_at: None }
    }

    async fn accepts(&mut self, world: &World, token: &str) -> bool {
        let now = world.elapsed;
        if self.fetched_at.is_none_or(|fetched_at| now - fetched_at >= self.cache_age) {
            self.fetch(world).await;
        }
        let kid = kid(token);
        let waited = now - self.fetched_at.unwrap();
        if !self.keys.contains_key(&kid) && self.cool_down.is_some_and(|cool_down| waited >= cool_down) {
            self.fetch(world).await;
        }
        let key = self.keys.get(&kid);
        key.is_some_and(|key| jws::deserialize_compact(token, &**key).is_ok())
    }

    async fn fetch(&mut self, world: &World) {
        self.instance = (self.instance + 1) % PHASES.len();
        let jwks = world.instances[self.instance].get("/.well-known/jwks.json").await.assert_ok();
        let key = |key: &Value| {
            let jwk = Jwk::from_map(key.as_object().unwrap().clone()).unwrap();
            let verifier: Box<dyn JwsVerifier> = match jwk.algorithm() {
                Some("ES256") => Box::new(ES256.verifier_from_jwk(&jwk).unwrap()),
                _ => Box::new(RS256.verifier_from_jwk(&jwk).unwrap()), // the ring begins with one
            };
            (jwk.key_id().unwrap().to_owned(), verifier)
        };
        self.keys = jwks.body["keys"].as_array().unwrap().iter().map(key).collect();
        self.fetched_at = Some(world.elapsed);
    }
}

struct World {
    instances: Vec<Service>,
    secret: String,
    /// Seconds since the beginning.
    elapsed: u64,
    /// Living tokens with the second in which they expire.
    tokens: Vec<(u64, String)>,
    /// What went wrong.
    failures: Vec<String>,
    turn: usize,
}

impl World {
    async fn begin() -> Self {
        let first = Service::start_with(&SETTINGS).await;
        let (second, third) = (first.beside().await, first.beside().await);
        let secret = first.confidential("worker").await;
        write_settings(&first);
        let instances = vec![first, second, third];
        Self { instances, secret, elapsed: 0, tokens: Vec::new(), failures: Vec::new(), turn: 0 }
    }

    fn any(&mut self, count: usize) -> usize {
        self.turn = self.turn.wrapping_mul(31).wrapping_add(17) % 1_000_003;
        self.turn % count
    }

    async fn issue(&self, instance: usize) -> String {
        let form = [("grant_type", "client_credentials")];
        let reply = self.instances[instance].post_as(("worker", &self.secret), "/token", &form).await;
        reply.assert_ok().text("access_token").to_owned()
    }

    /// Ten seconds, in which each instance looks for changes once, and rotates when it is due. Whether one did.
    async fn pass(&mut self) -> bool {
        let mut rotated = 0;
        for second in 0..RELOAD {
            for (instance, _) in PHASES.iter().enumerate().filter(|(_, phase)| **phase == second) {
                rotated += usize::from(self.instances[instance].app.issuer.keys.tend().await.unwrap());
            }
            self.instances[0].pass(1);
            self.elapsed += 1;
        }
        assert!(rotated < 2, "one instance rotates, not {rotated}");
        rotated == 1
    }

    /// A token from every instance, which every instance publishes the key of, and every verifier accepts.
    async fn issue_everywhere(&mut self, verifiers: &mut [Verifier]) {
        for instance in 0..PHASES.len() {
            let token = self.issue(instance).await;
            for other in &self.instances {
                let jwks = other.get("/.well-known/jwks.json").await.body;
                if !jwks.to_string().contains(&kid(&token)) {
                    self.failures.push(format!("{} signs and is not published", kid(&token)));
                }
            }
            for (number, verifier) in verifiers.iter_mut().enumerate() {
                if !verifier.accepts(self, &token).await {
                    self.failures.push(format!("verifier {number} refuses a new token at {}", self.elapsed));
                }
            }
            self.tokens.push((self.elapsed + LIFETIME, token));
        }
    }

    /// Some verifiers are shown some of the living tokens, those about to expire above all.
    async fn verify_some(&mut self, verifiers: &mut [Verifier]) {
        let now = self.elapsed;
        self.tokens.retain(|(expires_at, _)| now < *expires_at);
        let old = self.tokens.iter().filter(|(expires_at, _)| expires_at - now <= RELOAD).cloned();
        let mut shown: Vec<_> = old.collect();
        let random = self.any(self.tokens.len());
        shown.push(self.tokens[random].clone());
        for (_, token) in shown {
            let number = self.any(verifiers.len());
            if !verifiers[number].accepts(self, &token).await {
                self.failures.push(format!("verifier {number} refuses a living token at {now}"));
            }
        }
    }

    /// The rotations that the ring remembers.
    async fn rotations(&self) -> usize {
        let keys = self.instances[0].app.issuer.keys.list().await.unwrap();
        keys.iter().filter(|key| key.activated_at().is_some()).count() - 1
    }
}

/// What the commands read.
fn write_settings(service: &Service) {
    let common =
        [("log.filter", "off"), ("issuer.url", service.url.as_str()), ("keys.master_key", MASTER_KEY)];
    let backend = service.backend.settings();
    let backend = backend.iter().map(|(key, value)| (*key, value.as_str()));
    let settings = common.into_iter().chain(backend).chain(SETTINGS);
    let lines = settings.map(|(key, value)| format!("{key} = \"{value}\"\n"));
    std::fs::write(service.backend.folder.path().join("chancery.toml"), lines.collect::<String>()).unwrap();
}

/// `chancery keys rotate`, by the injected clock; whether it did.
async fn rotate_by_command(service: &Service) -> bool {
    let file = service.backend.folder.path().join("chancery.toml");
    let command = ["chancery", "--config", file.to_str().unwrap(), "keys", "rotate"];
    Box::pin(Cli::try_parse_from(command).unwrap().run(service.clock.clone())).await.is_ok()
}

fn kid(token: &str) -> String {
    decode(token).1["kid"].as_str().unwrap().to_owned()
}

#[actix_rt::test]
async fn fifty_rotations_fail_no_verification_and_sign_with_no_unpublished_key() {
    let mut world = World::begin().await;
    let mut verifiers: Vec<_> = (0..VERIFIERS).map(Verifier::numbered).collect();
    let (mut scheduled, mut commanded) = (0, 0);
    world.issue_everywhere(&mut verifiers).await;
    for step in 0.. {
        assert!(step < 20_000, "the rotations do not come: {scheduled} and {commanded}");
        // Every third rotation is commanded, before the schedule comes to it: tried every minute until it is safe.
        let is_tried = (scheduled + commanded) % 3 == 2 && step % 6 == 0;
        let by_command = is_tried && rotate_by_command(&world.instances[0]).await;
        if by_command {
            world.issue_everywhere(&mut verifiers).await;
        }
        let by_schedule = world.pass().await;
        if by_schedule {
            world.issue_everywhere(&mut verifiers).await;
        }
        (commanded, scheduled) = (commanded + usize::from(by_command), scheduled + usize::from(by_schedule));
        if scheduled + commanded >= 50 {
            break;
        }
        if step % 3 == 0 {
            let instance = world.any(PHASES.len());
            let token = world.issue(instance).await;
            world.tokens.push((world.elapsed + LIFETIME, token));
        }
        world.verify_some(&mut verifiers).await;
    }
    assert_eq!(world.failures, Vec::<String>::new());
    assert_eq!(world.rotations().await, scheduled + commanded);
    assert!(scheduled > 25 && commanded > 10, "{scheduled} by schedule, {commanded} by command");
}

/// The same world shows what happens without the interlock, so that its silence above means something.
#[actix_rt::test]
async fn without_the_interlock_the_same_verifiers_refuse_tokens() {
    let mut world = World::begin().await;
    let mut verifiers: Vec<_> = (0..VERIFIERS).map(Verifier::numbered).collect();
    for _ in 0..4 {
        world.issue_everywhere(&mut verifiers).await;
        world.pass().await;
        // Twice: the second key signs before the other instances have heard of it.
        for _ in 0..2 {
            world.instances[0].app.issuer.keys.rotate(Promotion::Forced).await.unwrap();
        }
    }
    let refused = world.failures.iter().filter(|failure| failure.contains("refuses a new token")).count();
    let unpublished = world.failures.iter().filter(|failure| failure.contains("is not published")).count();
    assert!(refused > 50 && unpublished > 0, "{refused} refused, {unpublished} unpublished");
}
