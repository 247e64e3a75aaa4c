//! How much memory password hashes may take together: what as many of ours as there are threads take. A hash of another
//! system that takes more than one of ours waits until there is so much, and those behind it wait with it.

use std::sync::{Condvar, Mutex, PoisonError};

/// Kibibytes that are free.
pub(super) struct Memory {
    all: u32,
    free: Mutex<u32>,
    /// Held by whoever is next, so that small ones cannot overtake a large one for ever.
    turn: Mutex<()>,
    returned: Condvar,
}

/// Some of it, until dropped.
pub(super) struct Lease<'a> {
    memory: &'a Memory,
    kib: u32,
}

impl Memory {
    pub(super) fn new(kib: u32) -> Self {
        Self { all: kib, free: Mutex::new(kib), turn: Mutex::new(()), returned: Condvar::new() }
    }

    /// Waits for so much of it; for all of it when that is less.
    pub(super) fn take(&self, kib: u32) -> Lease<'_> {
        let kib = kib.min(self.all);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            self.returned.wait_while(free, |free| *free < kib).unwrap_or_else(PoisonError::into_inner);
        *free -= kib;
        Lease { memory: self, kib }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        *self.memory.free.lock().unwrap_or_else(PoisonError::into_inner) += self.kib;
        self.memory.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn no_more_is_taken_than_there_is_and_everybody_gets_a_turn() {
        let (memory, taken) = (Memory::new(10), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (memory, taken) = (&memory, &taken);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let kib = if (thread + turn) % 8 == 0 { 99 } else { 1 + turn % 4 };
                        let lease = memory.take(kib);
                        let now = taken.fetch_add(lease.kib, Ordering::SeqCst) + lease.kib;
                        assert!(now <= 10, "{now}");
                        taken.fetch_sub(lease.kib, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(*memory.free.lock().unwrap(), 10);
    }
}
