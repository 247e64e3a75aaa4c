//! The timeline of a key as pure functions of (keys, settings, now): when the next one may sign, when a retired one
//! leaves, and what a rotation changes. Storage is elsewhere.

use std::time::Duration;

use super::key::{activate, retire};
use super::{KeyError, KeyState, SigningKey};
use crate::clock::Timestamp;
use crate::store::keys::SigningKeyRow;

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

/// What a rotation changes, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that ceased to sign.
    pub retired: SigningKeyRow,
    /// The key that signs now.
    pub active: SigningKeyRow,
    /// The key that is published for the next rotation.
    pub next: SigningKeyRow,
}

/// From when on a key may sign.
pub fn promotable_at(key: &SigningKey, propagation: Duration) -> Timestamp {
    key.published_at + propagation
}

/// When a retired key leaves the JWKS; none while it is not retired.
pub fn leaves_at(key: &SigningKey, retention: Duration) -> Option<Timestamp> {
    match key.state {
        KeyState::Retired { retired_at, .. } => Some(retired_at + retention),
        KeyState::Next | KeyState::Active { .. } => None,
    }
}

/// Whether a key stands in the JWKS.
pub fn is_published(key: &SigningKey, retention: Duration, now: Timestamp) -> bool {
    leaves_at(key, retention).is_none_or(|leaves| now < leaves)
}

/// The key that a rotation would promote: the interlock.
pub fn plan(
    keys: &[SigningKey],
    propagation: Duration,
    force: bool,
    now: Timestamp,
) -> Result<&SigningKey, KeyError> {
    let next = keys.iter().find(|key| key.state == KeyState::Next).ok_or_else(no_next)?;
    let safe_at = promotable_at(next, propagation);
    if now < safe_at && !force {
        return Err(TooEarly { kid: next.kid.clone(), published_at: next.published_at, safe_at }.into());
    }
    Ok(next)
}

fn no_next() -> KeyError {
    KeyError::Crypto("the key ring has no next key".to_owned())
}

/// Promotes the next key, retires the active one and adds `fresh` as the next.
pub(super) fn rotate(
    rows: &[SigningKeyRow],
    fresh: SigningKeyRow,
    now: Timestamp,
) -> Result<Rotated, KeyError> {
    let find = |name: &str| rows.iter().find(|row| row.state == name).cloned().ok_or_else(no_next);
    let mut active = find(KeyState::Next.name())?;
    activate(&mut active, now);
    let mut retired = find(KeyState::Active { activated_at: now }.name())?;
    retire(&mut retired, now);
    Ok(Rotated { retired, active, next: fresh })
}
