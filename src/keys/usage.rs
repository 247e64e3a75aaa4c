//! How much each key signed in this process: counted where tokens are signed, read by the metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;

/// One key's use; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    signatures: AtomicU64,
    last: AtomicI64,
}

impl Usage {
    /// Notes a signature.
    pub(super) fn count(&self, now: Timestamp) {
        self.0.last.fetch_max(now.as_unix(), Ordering::Relaxed);
        self.0.signatures.fetch_add(1, Ordering::Release);
    }

    /// How many there were.
    pub fn signatures(&self) -> u64 {
        self.0.signatures.load(Ordering::Acquire)
    }

    /// When the last one was made; none when there was none.
    pub fn last(&self) -> Option<Timestamp> {
        (self.signatures() > 0).then(|| Timestamp::from_unix(self.0.last.load(Ordering::Relaxed)))
    }
}

/// The use of every key that signed since the process began: one entry a rotation.
#[derive(Clone, Debug, Default)]
pub struct Usages(Arc<Mutex<HashMap<String, Usage>>>);

impl Usages {
    /// A key's, whichever version of the ring it is in.
    pub fn of(&self, kid: &str) -> Usage {
        let mut usages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usages.entry(kid.to_owned()).or_default().clone()
    }
}
