//! One signing key and its life: `Next → Active → Retired`, or `Revoked` from any of them; see `docs/key-rotation.md`.
//! The transitions consume a key and need no storage and no cryptography.

use josekit::jwk::Jwk;

use super::KeyError;
use super::pair::thumbprint;
use super::promises::Promises;
use super::sealing::Sealed;
use crate::clock::Timestamp;
use crate::config::{Algorithm, CLOCK_SKEW};
use crate::store::keys::SigningKeyRow;

const NEXT: &str = "next";
const ACTIVE: &str = "active";
const RETIRED: &str = "retired";
const REVOKED: &str = "revoked";

/// Where a key is in its life. Times are when that state began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers can fetch it; does not sign yet.
    Next,
    /// The one that signs.
    Active {
        /// Since when.
        activated_at: Timestamp,
    },
    /// Signs no more, its private half is destroyed; published while its tokens live.
    Retired {
        /// When it began to sign; none when it was replaced before it ever did.
        activated_at: Option<Timestamp>,
        /// When it ceased.
        retired_at: Timestamp,
    },
    /// Withdrawn: not published, its tokens are refused. The record stays.
    Revoked {
        /// When it began to sign, if it did.
        activated_at: Option<Timestamp>,
        /// When it had ceased to, if it had.
        retired_at: Option<Timestamp>,
        /// When it was withdrawn.
        revoked_at: Timestamp,
    },
}

impl KeyState {
    /// As stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => NEXT,
            Self::Active { .. } => ACTIVE,
            Self::Retired { .. } => RETIRED,
            Self::Revoked { .. } => REVOKED,
        }
    }
}

/// What let a key sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// It was the first key: no verifier could have cached an older JWKS.
    First,
    /// A server's schedule.
    Schedule,
    /// `keys rotate`.
    Command,
    /// `keys rotate --force`, before every verifier could know the key.
    Forced,
    /// The key before it was revoked.
    Revocation,
}

impl Promotion {
    const ALL: [Self; 5] = [Self::First, Self::Schedule, Self::Command, Self::Forced, Self::Revocation];

    /// As stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Schedule => "schedule",
            Self::Command => "command",
            Self::Forced => "forced",
            Self::Revocation => "revocation",
        }
    }

    /// Whether it waits until every verifier can know the key.
    pub const fn waits(self) -> bool {
        matches!(self, Self::Schedule | Self::Command)
    }
}

/// A signing key; its private half, while it has one, is sealed.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Public JWK with `kty kid use alg` and the key's own members.
    pub public: Jwk,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// Since when it stands in the JWKS.
    pub published_at: Timestamp,
    /// Where it is in its life.
    pub state: KeyState,
    /// What let it sign; none while it did not, or when nobody wrote it down.
    pub promoted_by: Option<Promotion>,
    /// What verifiers may rely on.
    pub promises: Promises,
    /// Compact JWE.
    pub(super) sealed: Option<String>,
}

impl SigningKey {
    /// A key as records tell of it: without a private half, and with no members of its own in the public one.
    #[cfg(test)]
    pub(crate) fn recorded(
        kid: &str,
        algorithm: Algorithm,
        published_at: Timestamp,
        state: KeyState,
        promises: Promises,
    ) -> Self {
        let mut public = Jwk::new("oct");
        public.set_key_id(kid);
        let (kid, created_at) = (kid.to_owned(), published_at);
        Self {
            kid,
            algorithm,
            public,
            created_at,
            published_at,
            state,
            promoted_by: None,
            promises,
            sealed: None,
        }
    }

    /// A key that enters the JWKS now.
    pub(super) fn next(pair: &Sealed, promises: Promises, now: Timestamp) -> Self {
        Self {
            kid: pair.kid.clone(),
            algorithm: pair.algorithm,
            public: pair.public.clone(),
            created_at: now,
            published_at: now,
            state: KeyState::Next,
            promoted_by: None,
            promises,
            sealed: Some(pair.private.clone()),
        }
    }

    /// Lets it sign.
    pub(super) fn activated(self, by: Promotion, now: Timestamp) -> Self {
        Self { state: KeyState::Active { activated_at: now }, promoted_by: Some(by), ..self }
    }

    /// Ends its signing and destroys its private half.
    pub(super) fn retired(self, now: Timestamp) -> Self {
        let state = KeyState::Retired { activated_at: self.activated_at(), retired_at: now };
        Self { state, sealed: None, ..self }
    }

    /// Withdraws it and destroys its private half.
    pub(super) fn revoked(self, now: Timestamp) -> Self {
        let retired_at = match self.state {
            KeyState::Retired { retired_at, .. } => Some(retired_at),
            _ => None,
        };
        let state = KeyState::Revoked { activated_at: self.activated_at(), retired_at, revoked_at: now };
        Self { state, sealed: None, ..self }
    }

    /// When it began to sign.
    pub fn activated_at(&self) -> Option<Timestamp> {
        match self.state {
            KeyState::Next => None,
            KeyState::Active { activated_at } => Some(activated_at),
            KeyState::Retired { activated_at, .. } | KeyState::Revoked { activated_at, .. } => activated_at,
        }
    }

    /// Whether it is the one that signs.
    pub fn is_active(&self) -> bool {
        matches!(self.state, KeyState::Active { .. })
    }

    /// When it leaves the JWKS, or left it; none while it is not retired. A key that never signed leaves at once.
    pub fn leaves_at(&self) -> Option<Timestamp> {
        match self.state {
            KeyState::Next | KeyState::Active { .. } => None,
            KeyState::Retired { activated_at: None, retired_at } => Some(retired_at),
            KeyState::Retired { activated_at: Some(_), retired_at } => {
                Some(retired_at + self.promises.retention)
            }
            KeyState::Revoked { revoked_at, .. } => Some(revoked_at),
        }
    }

    /// Whether it stands in the JWKS.
    pub fn is_published(&self, now: Timestamp) -> bool {
        match self.state {
            KeyState::Revoked { .. } => false, // whatever this clock says
            _ => self.leaves_at().is_none_or(|leaves| now < leaves),
        }
    }

    /// Until when a token that it signed may be good; none when none is, or it signs still.
    pub fn signatures_until(&self) -> Option<Timestamp> {
        match self.state {
            KeyState::Retired { activated_at: Some(_), .. } => self.leaves_at().map(|time| time - CLOCK_SKEW),
            _ => None,
        }
    }

    /// Reads a row, refusing one whose parts contradict each other.
    pub(super) fn from_row(row: &SigningKeyRow) -> Result<Self, KeyError> {
        let broken = |problem: &str| KeyError::Broken { kid: row.kid.clone(), problem: problem.to_owned() };
        let time = Timestamp::from_unix;
        let state = match (row.state.as_str(), row.activated_at, row.retired_at, row.revoked_at) {
            (NEXT, None, None, None) => KeyState::Next,
            (ACTIVE, Some(activated), None, None) => KeyState::Active { activated_at: time(activated) },
            (RETIRED, activated, Some(retired), None) => {
                KeyState::Retired { activated_at: activated.map(time), retired_at: time(retired) }
            }
            (REVOKED, activated, retired, Some(revoked)) => KeyState::Revoked {
                activated_at: activated.map(time),
                retired_at: retired.map(time),
                revoked_at: time(revoked),
            },
            _ => return Err(broken("its state and times contradict each other")),
        };
        let has_private_half = matches!(state, KeyState::Next | KeyState::Active { .. });
        if has_private_half != row.sealed_private_jwk.is_some() {
            return Err(broken("its state and its private half contradict each other"));
        }
        let promoted_by = row.promoted_by.as_deref();
        let promoted_by = promoted_by.map(|name| Promotion::ALL.into_iter().find(|one| one.name() == name));
        let public =
            Jwk::from_bytes(&row.public_jwk).map_err(|_| broken("its public half cannot be read"))?;
        if public.key_id() != Some(&row.kid) || thumbprint(&public)? != row.kid {
            return Err(broken("its public half is another key's"));
        }
        Ok(Self {
            kid: row.kid.clone(),
            algorithm: row.algorithm.parse().map_err(|problem: String| broken(&problem))?,
            public,
            created_at: time(row.created_at),
            published_at: time(row.published_at),
            state,
            promoted_by: promoted_by.flatten(),
            promises: Promises::from_seconds(row.propagation_time, row.retention),
            sealed: row.sealed_private_jwk.clone(),
        })
    }

    pub(super) fn to_row(&self) -> SigningKeyRow {
        let unix = Timestamp::as_unix;
        let (retired_at, revoked_at) = match self.state {
            KeyState::Next | KeyState::Active { .. } => (None, None),
            KeyState::Retired { retired_at, .. } => (Some(retired_at), None),
            KeyState::Revoked { retired_at, revoked_at, .. } => (retired_at, Some(revoked_at)),
        };
        let (propagation_time, retention) = self.promises.as_seconds();
        SigningKeyRow {
            kid: self.kid.clone(),
            algorithm: self.algorithm.as_str().to_owned(),
            state: self.state.name().to_owned(),
            public_jwk: self.public.to_string(),
            sealed_private_jwk: self.sealed.clone(),
            created_at: self.created_at.as_unix(),
            published_at: self.published_at.as_unix(),
            activated_at: self.activated_at().map(unix),
            retired_at: retired_at.map(unix),
            revoked_at: revoked_at.map(unix),
            promoted_by: self.promoted_by.map(|by| by.name().to_owned()),
            propagation_time,
            retention,
        }
    }
}
