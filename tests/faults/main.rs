//! What stands around a server, broken while the server is under load: Redis and PostgreSQL killed, cut off, paused, full
//! or refusing; disks full; more clients than there is room for. The servers are the real binary, and what breaks is real
//! too: private servers, TCP proxies on loopback, small disks.

// Everything here is a test, helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod client;
mod clock;
#[cfg(target_os = "linux")]
mod crowd;
mod customer;
mod cuts;
mod dead;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod flood;
mod load;
#[cfg(target_os = "linux")]
mod memory;
mod outage;
mod postgres;
#[path = "../process/mod.rs"]
mod process;
mod proxy;
mod redis;
mod rig;
mod trap;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests measure: they take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
