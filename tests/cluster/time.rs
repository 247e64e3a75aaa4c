//! The machine's clock, which these tests are about: how long a failure shows, and how soon news spreads.

use std::time::Duration;

pub use crate::process::clock::{now, wait_until};

/// Tries until it succeeds, for a while: after how long it did.
pub fn within(patience: Duration, mut attempt: impl FnMut() -> bool) -> Option<Duration> {
    let start = now();
    loop {
        if attempt() {
            return Some(start.elapsed());
        }
        if start.elapsed() >= patience {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
