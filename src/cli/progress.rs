//! A progress bar on the terminal, and nothing where standard error is none.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar up to `length`, or a spinner when that is not known. The numbers are `unit`s.
pub fn bar(length: Option<u64>, unit: Unit) -> ProgressBar {
    let (bar, template) = match (length, unit) {
        (Some(length), Unit::Bytes) => {
            (ProgressBar::new(length), "{wide_bar} {binary_bytes} of {binary_total_bytes}, {eta} left  {msg}")
        }
        (Some(length), Unit::Users) => (ProgressBar::new(length), "{wide_bar} {pos} of {len}, {eta} left"),
        (None, _) => (ProgressBar::new_spinner(), "{spinner} {elapsed}  {msg}"),
    };
    // A template of ours is never wrong.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    /// Of a file.
    Bytes,
    /// Accounts.
    Users,
}
