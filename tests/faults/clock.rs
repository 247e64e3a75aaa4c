//! The machine's clock, and waiting by it: faults are about how long answers take, and about what comes back by itself.

use std::time::Duration;

pub use crate::process::clock::{now, wait_until};

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(20);

pub fn pause(duration: Duration) {
    wait_until(now() + duration);
}

/// Waits until something is so, and tells for how long.
pub fn await_within(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = now();
    while !is_so() {
        assert!(now() - start < limit, "not within {limit:?}: {what}");
        pause(LOOK);
    }
    now() - start
}

/// The one in the middle of what is sorted.
pub fn median(sorted: &[Duration]) -> Duration {
    percentile(sorted, 50)
}

/// The one below which so many per cent of what is sorted are.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    assert!(!sorted.is_empty(), "nothing was answered");
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
