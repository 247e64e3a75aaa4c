//! Clients and verifiers: logins, and a key set that judges tokens as any microservice would.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use josekit::jwk::Jwk;
use josekit::jws::{self, ES256, JwsVerifier, RS256};
use serde_json::Value;

use crate::process::http::Connection;
use crate::process::{Home, kid_of};

const JWKS: &str = "/.well-known/jwks.json";
const LOGIN: &str = "grant_type=password&client_id=web&username=alice&password=secret";

/// An installation as these tests have it: keys that are made quickly, every time of their life at its minimum, and
/// nobody who rotates by himself.
pub fn install() -> Home {
    let home = Home::with_cheap_passwords()
        .with("CHANCERY__KEYS__ALGORITHM", "ES256")
        .with("CHANCERY__KEYS__ROTATION_INTERVAL", "0s")
        .with("CHANCERY__KEYS__PROPAGATION_TIME", "1s")
        .with("CHANCERY__KEYS__RELOAD_INTERVAL", "1s")
        .with("CHANCERY__JWKS__MAX_AGE", "0s");
    home.create_user("alice", "secret");
    home.create_client("web", &["--public", "--grant", "password", "--grant", "refresh_token"]);
    home
}

/// What a login yields.
pub struct Issued {
    pub access: String,
    pub refresh: String,
    /// Which key signed the access token.
    pub kid: String,
}

/// Logs in; the error is the answer that was none.
pub fn log_in(connection: &mut Connection) -> Result<Issued, String> {
    let answer = connection.post("/token", LOGIN).map_err(|cause| cause.to_string())?;
    let (status, json) = (answer.status, answer.json());
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let (Some(access), Some(refresh)) = (text("access_token"), text("refresh_token")) else {
        return Err(format!("a login is answered {status} {json}"));
    };
    let kid = kid_of(&access).ok_or("the access token names no key")?;
    Ok(Issued { access, refresh, kid })
}

/// The public keys, by id.
pub struct Jwks(HashMap<String, Jwk>);

impl Jwks {
    pub fn fetch(connection: &mut Connection) -> Self {
        let document = Self::document(connection);
        let key = |value: &Value| Jwk::from_map(value.as_object().unwrap().clone()).unwrap();
        let keys = document["keys"].as_array().unwrap().iter().map(key);
        Self(keys.map(|key| (key.key_id().unwrap().to_owned(), key)).collect())
    }

    /// As it is published.
    pub fn document(connection: &mut Connection) -> Value {
        connection.get(JWKS).unwrap().json()
    }

    /// Fails when there is no such key, or the signature is not the key's.
    pub fn verify(&self, token: &str) -> Result<(), String> {
        let kid = kid_of(token).ok_or("the token names no key")?;
        let key = self.0.get(&kid).ok_or_else(|| format!("key {kid} is not in the JWKS"))?;
        let verifier: Result<Box<dyn JwsVerifier>, _> = match key.algorithm() {
            Some("RS256") => RS256.verifier_from_jwk(key).map(|verifier| Box::new(verifier) as _),
            _ => ES256.verifier_from_jwk(key).map(|verifier| Box::new(verifier) as _),
        };
        let verifier = verifier.map_err(|cause| cause.to_string())?;
        jws::deserialize_compact(token, &*verifier).map(drop).map_err(|cause| cause.to_string())
    }
}

/// A verifier that asks a server for the keys and keeps them for as long as it may.
pub struct Verifier {
    pub connection: Connection,
    max_age: Duration,
    kept: Option<(Instant, Jwks)>,
}

impl Verifier {
    pub fn new(connection: Connection, max_age: Duration) -> Self {
        Self { connection, max_age, kept: None }
    }

    /// Fails when the token is not good within some time. Counts the attempts.
    pub fn verify_within(&mut self, tolerance: Duration, token: &str) -> Result<usize, String> {
        let start = now();
        for attempt in 1.. {
            match self.jwks().verify(token) {
                Ok(()) => return Ok(attempt),
                Err(problem) if start.elapsed() >= tolerance => return Err(problem),
                Err(_) => {}
            }
        }
        unreachable!()
    }

    fn jwks(&mut self) -> &Jwks {
        let max_age = self.max_age;
        let kept = self.kept.take().filter(|(fetched, _)| fetched.elapsed() < max_age);
        let kept = kept.unwrap_or_else(|| (now(), Jwks::fetch(&mut self.connection)));
        &self.kept.insert(kept).1
    }
}

// Less than seconds are counted here, which the program itself does nowhere.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
