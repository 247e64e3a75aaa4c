//! The machine's clock, which these tests are about: how long a failure shows, and how soon news spreads.

use std::time::{Duration, Instant};

// Less than seconds are counted here, which the program itself does nowhere.
#[allow(clippy::disallowed_methods)]
pub fn now() -> Instant {
    Instant::now()
}

pub fn wait_until(time: Instant) {
    loop {
        let left = time.saturating_duration_since(now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

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
