//! How many wrong guesses each limit takes.

use std::time::Duration;

/// How many wrong guesses are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Before the first wait, at least 1.
    pub attempts: u32,
    /// After how long one is forgiven, at least a second.
    pub interval: Duration,
    /// What is counted.
    pub counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    /// Wrong guesses in a row: a right one ends them. Waits grow up to the interval.
    Consecutive,
    /// All wrong guesses. The wait is for the next to be forgiven.
    All,
}
