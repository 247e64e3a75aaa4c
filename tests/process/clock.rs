//! The machine's clock: for tests and benchmarks that are about how long something takes.

use std::time::Instant;

// The program itself takes no other time than that of its own clock.
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
