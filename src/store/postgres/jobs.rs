//! What is at work on PostgreSQL. A connection may die without a sign: a proxy forgot it, and the kernels at both ends
//! think it well. libpq then waits without end, and nothing takes its thread out of that. So such a job is given up: its
//! permits go to others, who use other connections, and the thread is left behind, of which there may be only so many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Permits;

/// After so many turns a job has outlived all its limits.
const OVERDUE: u32 = 4;

/// All that are at work; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    at_work: HashMap<u64, Work>,
    /// Given up, and still waiting.
    dead: usize,
    given_up: u64,
}

#[derive(Debug)]
struct Work {
    /// How often it was looked at.
    turns: u32,
    /// The process at the other end of its connection; none while it connects.
    backend: Option<i32>,
    _permits: Permits,
}

/// One that is at work until this is dropped.
pub(super) struct Job {
    jobs: Jobs,
    id: u64,
}

/// One that ought to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overdue {
    id: u64,
    pub(super) backend: Option<i32>,
}

impl Jobs {
    pub(super) fn begin(&self, permits: Permits) -> Job {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.at_work.insert(id, Work { turns: 0, backend: None, _permits: permits });
        Job { jobs: self.clone(), id }
    }

    /// A second has passed: those that have taken too long.
    pub(super) fn turn(&self) -> Vec<Overdue> {
        let mut state = self.state();
        state.at_work.values_mut().for_each(|work| work.turns += 1);
        let overdue = state.at_work.iter().filter(|(_, work)| work.turns > OVERDUE);
        overdue.map(|(&id, work)| Overdue { id, backend: work.backend }).collect()
    }

    /// Lets others have their permits; how many there were that have not ended meanwhile.
    pub(super) fn give_up(&self, dead: impl Iterator<Item = Overdue>) -> usize {
        let mut state = self.state();
        let count = dead.filter(|job| state.at_work.remove(&job.id).is_some()).count();
        state.dead += count;
        state.given_up += count as u64;
        count
    }

    /// Threads that are taken.
    pub(super) fn threads(&self) -> usize {
        let state = self.state();
        state.at_work.len() + state.dead
    }

    /// How many were given up and still wait, and how many were given up at all.
    pub(super) fn dead(&self) -> (usize, u64) {
        let state = self.state();
        (state.dead, state.given_up)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job {
    pub(super) fn waits_for(&self, backend: Option<i32>) {
        if let Some(work) = self.jobs.state().at_work.get_mut(&self.id) {
            work.backend = backend;
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        !self.jobs.state().at_work.contains_key(&self.id)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let mut state = self.jobs.state();
        if state.at_work.remove(&self.id).is_none() {
            state.dead -= 1;
        }
    }
}
