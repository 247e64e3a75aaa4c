//! PostgreSQL's idle connections. There is no limit here: whoever takes one has a permit, and one is made only when none is
//! idle, so that there are never more than permits. It is not `r2d2`'s pool, which cannot give up a connection that somebody
//! waits on, and makes connections on threads that may wait without end themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use r2d2::ManageConnection as _;

use super::jobs::Job;
use crate::store::StoreError;
use crate::store::connection::{Manager, Pooled};

/// After so many turns a connection is replaced: its address may lead elsewhere by now.
const LIFETIME: u64 = 5 * 60;

/// A PostgreSQL that refuses is not asked again sooner, by as many as may ask: it would be kept busy with refusing.
const REST: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Pool {
    manager: Manager,
    /// The one that was used last is the last one.
    idle: Mutex<Vec<Lease>>,
    /// Seconds, if somebody counts them.
    turn: AtomicU64,
}

/// A connection in use.
pub(super) struct Lease {
    pub(super) pooled: Pooled,
    backend: i32,
    /// The turn at which it was made.
    born: u64,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("backend", &self.backend)
            .field("born", &self.born)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(manager: Manager) -> Self {
        Self { manager, idle: Mutex::default(), turn: AtomicU64::new(0) }
    }

    /// One that lives, as far as is known, or a new one.
    pub(super) fn take(&self, job: &Job) -> Result<Lease, StoreError> {
        loop {
            let Some(mut lease) = self.idle().pop() else { break };
            job.waits_for(Some(lease.backend));
            if self.manager.is_valid(&mut lease.pooled).is_ok() {
                return Ok(lease);
            }
        }
        job.waits_for(None);
        let mut pooled = self.manager.connect().inspect_err(|_| std::thread::park_timeout(REST))?;
        self.manager.is_valid(&mut pooled)?;
        let lease =
            Lease { backend: pooled.conn.backend()?, pooled, born: self.turn.load(Ordering::Relaxed) };
        job.waits_for(Some(lease.backend));
        Ok(lease)
    }

    pub(super) fn give_back(&self, mut lease: Lease) {
        if !self.manager.has_broken(&mut lease.pooled) {
            self.idle().push(lease);
        }
    }

    /// A second has passed: those that are too old by now.
    pub(super) fn turn(&self) -> Vec<Lease> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.idle().extract_if(.., |lease| lease.born + LIFETIME <= turn).collect()
    }

    /// All of them: they are no better than others that turned out to be dead.
    pub(super) fn empty(&self) -> Vec<Lease> {
        self.manager.note_loss();
        std::mem::take(&mut *self.idle())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
