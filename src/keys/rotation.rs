//! The timeline of the ring as pure functions of (keys, promises, now): when the next key may sign, when it is due, and
//! what each command changes. Storage is elsewhere. A ring has exactly one active and one next key, always.

use std::time::Duration;

use super::key::{KeyState, Promotion, SigningKey};
use super::sealing::Sealed;
use super::{KeyError, Promises};
use crate::clock::Timestamp;

/// The next key is not known to every verifier yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key {kid} was published at {published_at}; verifiers that cached the JWKS before may not know it until {safe_at}. \
     Nothing was changed. Rotate after that, or now with --force: tokens may then fail to verify for a while"
)]
pub struct TooEarly {
    /// The key that would be promoted.
    pub kid: String,
    /// Since when it is in the JWKS.
    pub published_at: Timestamp,
    /// From when on a promotion is safe.
    pub safe_at: Timestamp,
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The key that ceased to sign.
    pub retired: SigningKey,
    /// The key that signs now.
    pub active: SigningKey,
    /// The key that is published for the next rotation.
    pub next: SigningKey,
}

/// What a revocation did.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// The key that was withdrawn.
    pub revoked: SigningKey,
    /// The key that signs in its place, if it signed.
    pub active: Option<SigningKey>,
    /// The key that is published for the next rotation, if that one is another now.
    pub next: Option<SigningKey>,
}

/// The key that signs.
pub fn active(keys: &[SigningKey]) -> Result<&SigningKey, KeyError> {
    find(keys, "active", SigningKey::is_active)
}

/// The key that is to sign after it.
pub fn next(keys: &[SigningKey]) -> Result<&SigningKey, KeyError> {
    find(keys, "next", |key| key.state == KeyState::Next)
}

fn find<'a>(
    keys: &'a [SigningKey],
    name: &str,
    is_it: impl Fn(&SigningKey) -> bool,
) -> Result<&'a SigningKey, KeyError> {
    let mut found = keys.iter().filter(|key| is_it(key));
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(KeyError::Crypto(format!("the key ring has no {name} key"))),
        (Some(_), Some(_)) => Err(KeyError::Crypto(format!("the key ring has more than one {name} key"))),
    }
}

/// From when on the next key may sign, as `own` settings and all promises have it. What was promised about the active one
/// counts too: when the next was published, instances with that promise were serving a JWKS without it.
pub fn promotable_at(keys: &[SigningKey], own: Promises) -> Result<Timestamp, KeyError> {
    let next = next(keys)?;
    Ok(next.published_at + active(keys)?.promises.and(next.promises).and(own).propagation_time)
}

/// When the schedule promotes the next key; none without one.
pub fn scheduled_at(
    keys: &[SigningKey],
    own: Promises,
    interval: Duration,
) -> Result<Option<Timestamp>, KeyError> {
    if interval.is_zero() {
        return Ok(None);
    }
    let since = active(keys)?.activated_at().unwrap_or(Timestamp::from_unix(0));
    Ok(Some(promotable_at(keys, own)?.max(since + interval)))
}

/// The interlock.
pub fn check_promotion(
    keys: &[SigningKey],
    own: Promises,
    by: Promotion,
    now: Timestamp,
) -> Result<(), KeyError> {
    let (next, safe_at) = (next(keys)?, promotable_at(keys, own)?);
    if by.waits() && now < safe_at {
        return Err(TooEarly { kid: next.kid.clone(), published_at: next.published_at, safe_at }.into());
    }
    Ok(())
}

/// Promotes the next key, retires the active one and publishes `fresh` as the next.
pub(super) fn rotate(
    keys: &[SigningKey],
    fresh: &Sealed,
    own: Promises,
    by: Promotion,
    now: Timestamp,
) -> Result<Rotated, KeyError> {
    check_promotion(keys, own, by, now)?;
    // What needed no force was not forced.
    let by =
        if by == Promotion::Forced && now >= promotable_at(keys, own)? { Promotion::Command } else { by };
    Ok(Rotated {
        retired: active(keys)?.clone().retired(now),
        active: next(keys)?.clone().activated(by, now),
        next: SigningKey::next(fresh, own, now),
    })
}

/// Withdraws a key; none when it was withdrawn before. In its place comes the next one, or `fresh`, at once: that is not
/// safe, and safer than the key.
pub(super) fn revoke(
    keys: &[SigningKey],
    kid: &str,
    fresh: &Sealed,
    promises: Promises,
    now: Timestamp,
) -> Result<Option<Revocation>, KeyError> {
    let key = keys.iter().find(|key| key.kid == kid).ok_or_else(|| KeyError::NotFound(kid.to_owned()))?;
    let (active, next) = match key.state {
        KeyState::Revoked { .. } => return Ok(None),
        KeyState::Retired { .. } => (None, None),
        KeyState::Next => (None, Some(SigningKey::next(fresh, promises, now))),
        KeyState::Active { .. } => {
            let promoted = next(keys)?.clone().activated(Promotion::Revocation, now);
            (Some(promoted), Some(SigningKey::next(fresh, promises, now)))
        }
    };
    Ok(Some(Revocation { revoked: key.clone().revoked(now), active, next }))
}

/// Publishes `fresh` as the next key in place of the one that was, which never signed: the replaced one and the new one.
pub(super) fn replace_next(
    keys: &[SigningKey],
    fresh: &Sealed,
    promises: Promises,
    now: Timestamp,
) -> Result<[SigningKey; 2], KeyError> {
    if let Some(known) = keys.iter().find(|key| key.kid == fresh.kid) {
        return Err(KeyError::Exists { kid: known.kid.clone(), state: known.state.name() });
    }
    Ok([next(keys)?.clone().retired(now), SigningKey::next(fresh, promises, now)])
}

/// The keys in use whose promises an instance must raise to its own before it publishes or signs with them, raised.
pub(super) fn raise_promises(keys: &[SigningKey], own: Promises) -> Vec<SigningKey> {
    let in_use = keys.iter().filter(|key| key.is_active() || key.state == KeyState::Next);
    let lacking = in_use.filter(|key| key.promises.and(own) != key.promises);
    lacking.map(|key| SigningKey { promises: key.promises.and(own), ..key.clone() }).collect()
}

/// Records that nobody needs but an auditor: of keys that left the JWKS before `time`. Those of revoked keys are kept,
/// so that none can be imported again.
pub(super) fn forgettable(keys: &[SigningKey], time: Timestamp) -> Vec<String> {
    let is_gone = |key: &&SigningKey| {
        matches!(key.state, KeyState::Retired { .. }) && key.leaves_at().is_some_and(|left| left <= time)
    };
    keys.iter().filter(is_gone).map(|key| key.kid.clone()).collect()
}
