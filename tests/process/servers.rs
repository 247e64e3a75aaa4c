//! Starts a private PostgreSQL and a private Redis, runs a command that finds them in its environment, and ends them:
//! `cargo run --example servers -- cargo test --test integration`.

#![allow(clippy::unwrap_used, clippy::panic)] // for tests
#![allow(dead_code)] // of each module it uses a part

mod daemon;
mod postgres;
mod redis;

use std::process::{Command, ExitCode};
use std::thread::available_parallelism;

use postgres::Postgres;
use redis::Redis;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: servers COMMAND [ARGUMENT…]");
        return ExitCode::from(2);
    };
    // As many tests as cores run at once, each with a few instances.
    let cores = available_parallelism().map_or(1, usize::from);
    let connections = (100 + 16 * cores).max(400).to_string();
    let postgres = Postgres::start_with(&[("max_connections", &connections)]);
    let redis = Redis::start();
    let mut command = Command::new(program);
    command.args(arguments);
    command.env("CHANCERY_TEST_POSTGRES", postgres.url("postgres"));
    command.env("CHANCERY_TEST_REDIS", redis.url());
    let ended = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    ExitCode::from(u8::from(!ended.success()))
}
