//! An installation that was used for a while, and whether everything that was promised about it holds.

use std::collections::HashMap;

use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};

use crate::client::{self, Issued, Jwks, log_in};
use crate::process::Home;
use crate::process::http::Connection;
use crate::process::stored::Stored;

/// Accounts; keys that are retired, active and next, and two that were replaced before they signed; tokens of two keys.
pub struct Installation {
    pub home: Home,
    pub stored: Stored,
    /// Under the retired key, and under the active one.
    issued: [Issued; 2],
    /// Of the client that may introspect.
    secret: String,
}

impl Installation {
    pub fn new() -> Self {
        let home = client::install();
        let service = home.create_client("service", &["--confidential", "--grant", "client_credentials"]);
        let secret = service["client_secret"].as_str().unwrap().to_owned();
        let under_active = || {
            let server = home.serve();
            let issued = log_in(&mut Connection::open(server.address).unwrap()).unwrap();
            assert!(server.stop().success());
            issued
        };
        let first = under_active();
        home.cli(&["keys", "rotate", "--force", "--json"], "");
        let second = under_active();
        assert_ne!(first.kid, second.kid);
        // It publishes a next key of its kind in place of the one that was there.
        assert!(home.serve_with(&[("CHANCERY__KEYS__ALGORITHM", "EdDSA")]).stop().success());
        assert!(home.serve().stop().success());
        Self { stored: Stored::read(&home), home, issued: [first, second], secret }
    }

    /// A client's and a verifier's view of a copy on which a server starts, whatever happened to it: what is wrong.
    pub fn check(&self, home: &Home, stored: &Stored) -> Result<(), String> {
        let server = home.try_serve().map_err(|(status, log)| format!("{status}: {log}"))?;
        let states = list(home)?;
        let active = only(&states, "active")?;
        only(&states, "next")?;
        let mut connection = Connection::open(server.address).map_err(|cause| cause.to_string())?;
        let jwks = Jwks::fetch(&mut connection);
        for issued in &self.issued {
            let is_revoked = states.get(&issued.kid).is_some_and(|state| state == "revoked");
            let verified = jwks.verify(&issued.access);
            if verified.is_ok() == is_revoked {
                return Err(format!("a token of key {}, revoked: {is_revoked}: {verified:?}", issued.kid));
            }
            let is_closed = stored.closed_sessions > 0;
            self.expect_introspection(&mut connection, &issued.access, !is_revoked && !is_closed)?;
            expect_refresh(&mut connection, &issued.refresh, !is_closed)?;
        }
        let login = log_in(&mut connection)?;
        if login.kid != *active {
            return Err(format!("{} signs, and {active} is active", login.kid));
        }
        jwks.verify(&login.access)?;
        self.expect_introspection(&mut connection, &login.access, true)
    }

    fn expect_introspection(&self, http: &mut Connection, token: &str, active: bool) -> Result<(), String> {
        let form = format!("client_id=service&client_secret={}&token={token}", self.secret);
        let answer = http.post("/introspect", &form).map_err(|cause| cause.to_string())?;
        let (status, json) = (answer.status, answer.json());
        if (status, json["active"].as_bool()) == (200, Some(active)) {
            return Ok(());
        }
        Err(format!("introspection answers {status} {json}, and should say {active}"))
    }
}

fn expect_refresh(http: &mut Connection, token: &str, good: bool) -> Result<(), String> {
    let form = format!("grant_type=refresh_token&client_id=web&refresh_token={token}");
    let answer = http.post("/token", &form).map_err(|cause| cause.to_string())?;
    if answer.status == if good { 200 } else { 400 } {
        return Ok(());
    }
    Err(format!("a refresh token, good: {good}, is answered {} {}", answer.status, answer.json()))
}

/// The states of all keys as `keys list` has them.
pub fn list(home: &Home) -> Result<HashMap<String, String>, String> {
    let listed = home.run(&["keys", "list", "--json"]);
    if !listed.status.success() {
        return Err(format!("keys list: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let listed: Vec<HashMap<String, serde_json::Value>> = serde_json::from_slice(&listed.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Ok(listed.iter().map(|key| (text(&key["kid"]), text(&key["state"]))).collect())
}

/// The one key that is in a state.
fn only<'a>(states: &'a HashMap<String, String>, state: &str) -> Result<&'a String, String> {
    let kids: Vec<_> = states.iter().filter(|(_, of)| *of == state).map(|(kid, _)| kid).collect();
    if let [kid] = kids[..] { Ok(kid) } else { Err(format!("{} keys are {state}", kids.len())) }
}

/// Writes a new private key into an installation's folder.
pub fn write_pem(home: &Home, name: &str) {
    let pair = EcKeyPair::generate(EcCurve::P256).unwrap();
    std::fs::write(home.path().join(name), pair.to_pem_private_key()).unwrap();
}
