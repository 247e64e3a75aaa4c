//! A guess from its admission to its end. Every change of a tally runs in a task of its own: whoever hangs up in the middle
//! leaves neither a guess that is never settled nor one that does not count.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::table::{Change, Key};
use super::tally::{Admission, Policy, Tally, Verdict};
use super::{PAUSE, Shared};

/// An admitted guess. One that is dropped, because whoever made it hung up or was told nothing, does not count.
#[derive(Debug)]
#[must_use]
pub struct Attempt(pub(super) Vec<Turn>);

impl Attempt {
    /// The guess was right.
    pub async fn succeed(self) {
        self.end(Verdict::Right).await;
    }

    /// The guess was wrong.
    pub async fn fail(self) {
        self.end(Verdict::Wrong).await;
    }

    async fn end(self, verdict: Verdict) {
        let endings: Vec<_> = self.0.into_iter().filter_map(|mut turn| turn.settle(verdict)).collect();
        for ending in endings {
            let _ = ending.await;
        }
    }
}

/// What one tally has admitted.
pub(super) struct Turn(Option<(Arc<Shared>, Key, Policy)>);

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turn")
    }
}

/// Waits until a tally admits a guess; or how long nothing will be admitted.
pub(super) async fn turn(shared: &Arc<Shared>, key: Key, policy: Policy) -> Result<Turn, Duration> {
    loop {
        match tokio::spawn(ask(Arc::clone(shared), key, policy)).await {
            Ok(Ok(turn)) => return Ok(turn),
            Ok(Err(Some(wait))) => return Err(wait),
            Ok(Err(None)) => shared.table.settled(&key, PAUSE).await,
            // The runtime is ending.
            Err(_) => return Err(PAUSE),
        }
    }
}

/// Without a wait: not before others are settled.
async fn ask(shared: Arc<Shared>, key: Key, policy: Policy) -> Result<Turn, Option<Duration>> {
    let admit = |tally: Tally, policy| {
        let (tally, outcome) = tally.admit(policy, shared.clock.now());
        Change { tally, outcome }
    };
    match shared.table.share(&key, policy, admit).await {
        Admission::Admitted => Ok(Turn(Some((shared, key, policy)))),
        Admission::Busy => Err(None),
        Admission::Refused(wait) => Err(Some(wait)),
    }
}

impl Turn {
    /// Where there is no runtime any more, the lease ends by itself.
    fn settle(&mut self, verdict: Verdict) -> Option<JoinHandle<()>> {
        let runtime = Handle::try_current().ok()?;
        let (shared, key, policy) = self.0.take()?;
        Some(runtime.spawn(async move {
            let settle = |tally: Tally, policy| Change {
                tally: tally.settle(verdict, policy, shared.clock.now()),
                outcome: (),
            };
            shared.table.share(&key, policy, settle).await;
            shared.table.note_settled(&key);
        }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        drop(self.settle(Verdict::Untold));
    }
}
