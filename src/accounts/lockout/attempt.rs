//! A guess from its admission to its end. Every change of a tally runs in a task of its own: whoever hangs up in the middle
//! leaves neither a guess that is never settled nor one that does not count.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::policy::Policy;
use super::table::Key;
use super::tally::{Admission, LEASE, Tally, Verdict};
use super::{PAUSE, Refusal, Shared};
use crate::clock::Timestamp;

/// An admitted guess. One that is dropped, because whoever made it hung up or was told nothing, does not count.
#[derive(Debug, Default)]
#[must_use]
pub struct Attempt(pub(super) Vec<Admitted>);

/// A guess that was looked at, on its way to whoever waits for the outcome. A wrong one counts even if nobody does any
/// more: its work was done.
#[derive(Debug)]
pub struct Judged {
    attempt: Attempt,
    is_right: bool,
}

impl Judged {
    /// Somebody hears of it, and ends it.
    pub fn heard(mut self) -> Attempt {
        std::mem::take(&mut self.attempt)
    }
}

impl Drop for Judged {
    fn drop(&mut self) {
        if !self.is_right {
            drop(self.attempt.settle(Verdict::Wrong));
        }
    }
}

impl Attempt {
    /// The guess was right.
    pub async fn succeed(self) {
        self.end(Verdict::Right).await;
    }

    /// The guess was wrong.
    pub async fn fail(self) {
        self.end(Verdict::Wrong).await;
    }

    /// It was looked at.
    pub fn judged(self, is_right: bool) -> Judged {
        Judged { attempt: self, is_right }
    }

    async fn end(mut self, verdict: Verdict) {
        for ending in self.settle(verdict) {
            let _ = ending.await;
        }
    }

    fn settle(&mut self, verdict: Verdict) -> Vec<JoinHandle<()>> {
        self.0.iter_mut().filter_map(|admitted| admitted.settle(verdict)).collect()
    }
}

/// What one tally has admitted.
pub(super) struct Admitted {
    shared: Arc<Shared>,
    key: Key,
    policy: Policy,
    since: Timestamp,
    /// Whoever ends it may be a thread without one.
    runtime: Handle,
    is_settled: bool,
}

impl std::fmt::Debug for Admitted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Admitted")
    }
}

/// Asks a tally for admission, again and again while others are being looked at.
pub(super) async fn admit(shared: &Arc<Shared>, key: Key, policy: Policy) -> Result<Admitted, Refusal> {
    let mut waiting = None;
    loop {
        // The runtime is ending if this fails.
        let asked = tokio::spawn(ask(Arc::clone(shared), key, policy)).await.unwrap_or(Err(Refusal::Busy));
        if !matches!(asked, Err(Refusal::Busy)) {
            return asked;
        }
        if waiting.is_none() {
            waiting = Some(shared.waiting.try_acquire().map_err(|_| Refusal::Busy)?);
        }
        shared.table.settled(&key, PAUSE).await;
    }
}

async fn ask(shared: Arc<Shared>, key: Key, policy: Policy) -> Result<Admitted, Refusal> {
    let now = shared.clock.now();
    let admit = |tally: &Tally, policy| tally.admit(policy, now);
    match shared.table.change(&key, policy, admit).await {
        Admission::Admitted(since) => {
            let runtime = Handle::current();
            Ok(Admitted { shared, key, policy, since, runtime, is_settled: false })
        }
        Admission::Busy => Err(Refusal::Busy),
        Admission::Refused(wait) => Err(Refusal::Wait(wait)),
    }
}

impl Admitted {
    /// None when it was settled before. Where the runtime has ended, the lease ends by itself.
    fn settle(&mut self, verdict: Verdict) -> Option<JoinHandle<()>> {
        if std::mem::replace(&mut self.is_settled, true) {
            return None;
        }
        let (shared, key, policy, since) = (Arc::clone(&self.shared), self.key, self.policy, self.since);
        Some(self.runtime.spawn(async move {
            let now = shared.clock.now();
            let settle = move |tally: &Tally, policy| tally.settle(verdict, since, policy, now);
            shared.table.change(&key, policy, |tally, policy| (settle(tally, policy), ())).await;
            shared.table.note_settled(&key);
            if shared.table.is_cut_off() {
                tokio::spawn(async move { shared.tell_redis(key, policy, settle).await });
            }
        }))
    }
}

impl Shared {
    /// Settles a guess in Redis, too, as soon as that can be reached: it may know of the admission, and would keep others
    /// waiting for the end of the lease.
    async fn tell_redis(&self, key: Key, policy: Policy, settle: impl Fn(&Tally, Policy) -> Tally) {
        let is_back = async {
            while self.table.is_cut_off() {
                sleep(PAUSE).await;
            }
        };
        if timeout(LEASE, is_back).await.is_ok() {
            self.table.change_in_redis(&key, policy, |tally| settle(tally, policy)).await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        drop(self.settle(Verdict::Abandoned));
    }
}
