//! What verifiers were promised about a key while it is in the JWKS: kept in its row, because settings change and
//! instances and commands may have different ones. Every instance raises the promises of the keys in use to its own
//! before it publishes or signs with them; nobody lowers them. A lower setting counts for the keys that follow.

use std::time::Duration;

use crate::config::KeySettings;

/// Two times that only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promises {
    /// For how long verifiers may not know of a key that is published while this one is in use.
    pub propagation_time: Duration,
    /// How long it stays published once it is retired.
    pub retention: Duration,
}

impl Promises {
    /// What an instance with these settings needs.
    pub fn of(settings: &KeySettings) -> Self {
        Self { propagation_time: settings.propagation_time, retention: settings.retention }
    }

    /// The larger of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            propagation_time: self.propagation_time.max(other.propagation_time),
            retention: self.retention.max(other.retention),
        }
    }

    pub(super) fn from_seconds(propagation_time: i64, retention: i64) -> Self {
        let duration = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        Self { propagation_time: duration(propagation_time), retention: duration(retention) }
    }

    pub(super) fn as_seconds(self) -> (i64, i64) {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        (seconds(self.propagation_time), seconds(self.retention))
    }
}
