//! What a command does to the stored ring when it does all of it, and whether two states of a database differ by that,
//! by nothing, or by something between.

use chancery::store::keys::SigningKeyRow;

use crate::process::stored::Stored;

/// The whole effect of a command.
#[derive(Clone, Copy, Debug)]
pub struct Effect {
    /// What becomes of the active key.
    pub active: &'static str,
    /// What becomes of the next key.
    pub next: &'static str,
    /// Whether a new next key is published.
    pub publishes: bool,
    pub also: Also,
    /// How often it may have happened.
    pub at_most: i64,
}

/// What happens besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Also {
    Nothing,
    /// The records of keys go that were replaced before they signed.
    Forgets,
    /// Everything is sealed anew.
    Reseals,
    /// Every session ends and the key of refresh tokens is replaced.
    ClosesSessions,
}

impl Effect {
    pub const NONE: Self =
        Self { active: "active", next: "next", publishes: false, also: Also::Nothing, at_most: 1 };
    pub const ROTATION: Self = Self { active: "retired", next: "active", publishes: true, ..Self::NONE };
    pub const REVOCATION: Self = Self { active: "revoked", ..Self::ROTATION };
    pub const IMPORT: Self = Self { next: "retired", publishes: true, ..Self::NONE };

    /// Whether it happened: wholly, or not at all. The error says what is between.
    pub fn happened(self, before: &Stored, after: &Stored) -> Result<bool, String> {
        if before == after {
            return Ok(false);
        }
        let times = after.ring.version - before.ring.version;
        if !(1..=self.at_most).contains(&times) {
            return Err(format!("the ring's version grew by {times}, and rows differ"));
        }
        let mut remaining = before.clone();
        let is_forgotten = |key: &SigningKeyRow| key.state == "retired" && key.activated_at.is_none();
        remaining.ring.signing.retain(|key| self.also != Also::Forgets || !is_forgotten(key));
        let expected = (0..times).fold(states(&remaining, before), |keys, _| self.apply(keys));
        let found = states(after, before);
        if sorted(expected) != sorted(found.clone()) {
            return Err(format!("the keys are {found:?}"));
        }
        self.compare_rows(before, after)?;
        self.compare_mac_keys(before, after)?;
        self.compare_sessions(before, after)?;
        Ok(true)
    }

    fn apply(self, keys: Vec<State>) -> Vec<State> {
        let becomes = |(kid, state): State| match state.as_str() {
            "active" => (kid, self.active.to_owned()),
            "next" => (kid, self.next.to_owned()),
            _ => (kid, state),
        };
        let mut keys: Vec<_> = keys.into_iter().map(becomes).collect();
        keys.extend(self.publishes.then(|| (None, "next".to_owned())));
        keys
    }

    fn compare_rows(self, before: &Stored, after: &Stored) -> Result<(), String> {
        for key in &after.ring.signing {
            let Some(former) = before.ring.signing.iter().find(|former| former.kid == key.kid) else {
                continue;
            };
            let mut expected = former.clone();
            let signs_or_will = matches!(key.state.as_str(), "active" | "next");
            if !signs_or_will {
                expected.sealed_private_jwk = None;
            } else if self.also == Also::Reseals {
                expected.sealed_private_jwk.clone_from(&key.sealed_private_jwk);
                if key.sealed_private_jwk == former.sealed_private_jwk {
                    return Err(format!("key {} is sealed as it was", key.kid));
                }
            }
            if key.state != former.state {
                expected.state.clone_from(&key.state);
                expected.promoted_by.clone_from(&key.promoted_by);
                (expected.activated_at, expected.retired_at, expected.revoked_at) =
                    (key.activated_at, key.retired_at, key.revoked_at);
            }
            if *key != expected {
                return Err(format!("key {} is {key:?} instead of {expected:?}", key.kid));
            }
        }
        Ok(())
    }

    fn compare_mac_keys(self, before: &Stored, after: &Stored) -> Result<(), String> {
        let (was, is) = (&before.ring.mac, &after.ring.mac);
        let as_it_must = if self.also == Also::ClosesSessions {
            is.len() == 1 && was.iter().all(|key| key.id != is[0].id && key.sealed_jwk != is[0].sealed_jwk)
        } else if self.also == Also::Reseals {
            let resealed =
                was.iter().zip(is).all(|(was, is)| was.id == is.id && was.sealed_jwk != is.sealed_jwk);
            is.len() == was.len() && resealed
        } else {
            is == was
        };
        if as_it_must {
            Ok(())
        } else {
            Err(format!("the keys of refresh tokens are {is:?}, and were {was:?}"))
        }
    }

    fn compare_sessions(self, before: &Stored, after: &Stored) -> Result<(), String> {
        let found = (after.open_sessions, after.closed_sessions);
        let (open, closed) = (before.open_sessions, before.closed_sessions);
        let expected = if self.also == Also::ClosesSessions { (0, open + closed) } else { (open, closed) };
        if found == expected { Ok(()) } else { Err(format!("{found:?} sessions are open and closed")) }
    }
}

/// A key's id, if it had been there before, and its state.
type State = (Option<String>, String);

fn states(stored: &Stored, before: &Stored) -> Vec<State> {
    let known = |kid: &String| before.ring.signing.iter().any(|key| key.kid == *kid).then(|| kid.clone());
    stored.ring.signing.iter().map(|key| (known(&key.kid), key.state.clone())).collect()
}

fn sorted(mut keys: Vec<State>) -> Vec<State> {
    keys.sort();
    keys
}
