//! Several instances of one issuer: on one database and one Redis, behind a proxy, started at once, killed, and raced
//! against each other. Whichever of them is asked, they are one issuer.

// Everything here is a test, helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../rotation/client.rs"]
#[allow(dead_code)] // a part of it is used
mod client;
mod cluster;
mod drain;
mod endings;
mod failover;
mod lockout;
#[path = "../crash/login.rs"]
#[allow(dead_code)] // a part of it is used
mod login;
mod machine;
mod nginx;
#[path = "../process/mod.rs"]
mod process;
mod proxy;
mod races;
mod redis;
mod stalls;
mod start;
mod time;
