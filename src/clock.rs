//! The only source of time. Everything that depends on it takes a [`Clock`] or a [`Timestamp`], so that tests
//! move time by hand. Whole seconds: that is what JWTs carry and what the tables store.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment, in whole seconds since the Unix epoch. Prints as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that many seconds after the Unix epoch.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn as_unix(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339, also with a space for the `T`, without the `Z`, which then is meant, or with an offset of hours
    /// alone, as PostgreSQL writes it.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let (local, offset) = split_offset(text)?;
        let time = humantime::parse_rfc3339_weak(local).ok()?;
        let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
        Some(Self(i64::try_from(seconds).ok()? - offset))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(whole_seconds(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(whole_seconds(duration)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u64::try_from(self.0).unwrap_or(0);
        // RFC 3339 ends with the year 9999.
        if seconds >= 253_402_300_800 {
            return write!(f, "@{seconds}");
        }
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).fmt(f)
    }
}

/// A time without its offset from UTC, and the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    const DATE: usize = "2026-01-31".len();
    let Some(at) = text.rfind(['+', '-']).filter(|at| *at > DATE) else { return Some((text, 0)) };
    let (local, offset) = text.split_at(at);
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        is_number.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "00"));
    let seconds = number(hours)? * 3600 + number(minutes).filter(|minutes| *minutes < 60)? * 60;
    let is_utc = local.ends_with(['Z', 'z']);
    (!is_utc).then_some((local, if offset.starts_with('-') { -seconds } else { seconds }))
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved; clones share it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.0)))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp(system_seconds()),
            Self::Manual(seconds) => Timestamp(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the system's clock is not ours to move.
    pub fn advance(&self, duration: Duration) {
        if let Self::Manual(seconds) = self {
            seconds.fetch_add(whole_seconds(duration), Ordering::SeqCst);
        }
    }
}

// The one place where the machine's clock is read.
#[allow(clippy::disallowed_methods)]
fn system_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, whole_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_and_reads_rfc_3339() {
        let time = Timestamp::from_unix(1_700_000_000);
        assert_eq!(time.to_string(), "2023-11-14T22:13:20Z");
        assert_eq!(Timestamp::parse_rfc3339("2023-11-14T22:13:20Z"), Some(time));
        for same in [
            "2023-11-14 22:13:20",
            "2023-11-14T22:13:20.123456+00:00",
            "2023-11-14 22:13:20.123+00",
            "2023-11-14T23:43:20+01:30",
            "2023-11-14T17:13:20-05:00",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(same), Some(time), "{same}");
        }
        for wrong in
            ["yesterday", "2023-11-14T22:13:20Z+00:00", "2023-11-14T22:13:20+1", "2023-11-14T22:13:20+é"]
        {
            assert_eq!(Timestamp::parse_rfc3339(wrong), None, "{wrong}");
        }
        assert_eq!(Timestamp::from_unix(i64::MAX).to_string(), format!("@{}", i64::MAX));
    }

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual(Timestamp::from_unix(100));
        let clone = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(clone.now(), Timestamp::from_unix(105));
    }
}
