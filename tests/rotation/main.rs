//! The signing keys' life with the real binary on SQLite: commands and servers that are killed at every step, and that
//! race each other.

// Everything here is a test, helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod client;
mod effect;
mod installation;
#[cfg(target_os = "linux")]
mod kills;
#[path = "../process/mod.rs"]
mod process;
mod races;
#[cfg(target_os = "linux")]
mod shim;
