//! The table and the aims. Aims are told, not enforced: a clock on a shared machine is no judge.

use std::time::Duration;

use crate::measure::{Load, Plan};
use crate::shared::{Cost, Measured};
use crate::{Rounds, micros};

/// CPU time of a refresh, in signatures, at the most.
const REFRESH_AIM: f64 = 1.3;
/// The same on PostgreSQL and Redis.
const SHARED_AIM: f64 = 1.5;
/// Cost with many sessions in the table, against that with few, at the most.
const GROWTH_AIM: f64 = 1.2;
/// Throughput of the JWKS, against bare actix, at the least.
const JWKS_AIM: f64 = 0.8;

pub fn head(plan: &Plan, connections: usize, sessions: usize) {
    let cores = std::thread::available_parallelism().unwrap();
    let Plan { rounds, measured, .. } = plan;
    println!(
        "\n{cores} cores for server and clients, {connections} connections, {sessions} sessions, SQLite with FULL \
         sync; medians of {rounds} rounds of {measured:?}\n"
    );
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>13} {:>13}",
        "", "requests/s", "p50 ms", "p99 ms", "server CPU µs", "in signatures"
    );
}

pub fn signature(measured: &[&Rounds]) {
    let cpu = median(measured.iter().flat_map(|rounds| &rounds.signatures));
    println!("{:<26} {:>10} {:>9} {:>9} {cpu:>13.1} {:>13.2}", "one RSA-2048 signature", "", "", "", 1.0);
}

pub fn row(name: &str, rounds: &Rounds) {
    println!("{} {:>13.2}", columns(name, &rounds.loads), in_signatures(rounds));
}

/// The JWKS and the bare handler, in pairs.
pub fn jwks(pairs: &[(Load, Load)]) {
    let (ours, bare): (Vec<_>, Vec<_>) = pairs.iter().map(|(ours, bare)| (ours, bare)).unzip();
    println!("{}", columns("JWKS", ours));
    println!("{}", columns("the same bytes, bare actix", bare));
}

pub fn refresh_aim(rounds: &Rounds) -> String {
    let ratio = in_signatures(rounds);
    let met = met(ratio <= REFRESH_AIM);
    format!("refresh, server CPU / one signature: {ratio:.2}, aim at most {REFRESH_AIM}: {met}")
}

pub fn jwks_aim(pairs: &[(Load, Load)]) -> String {
    let ratio = median(&of(pairs, |(ours, bare)| ours.per_second / bare.per_second));
    let cpu = median(&of(pairs, |(ours, bare)| micros(bare.cpu) / micros(ours.cpu)));
    let met = met(ratio >= JWKS_AIM);
    format!(
        "JWKS, throughput / bare actix: {ratio:.2}, aim at least {JWKS_AIM}: {met} (server CPU, bare / JWKS: {cpu:.2})"
    )
}

pub fn shared_head(plan: &Plan, connections: usize) {
    let Plan { rounds, measured, .. } = plan;
    println!(
        "\nPostgreSQL (every commit synced) and Redis on the same cores, {connections} connections; medians of \
         {rounds} rounds of {measured:?}; for each request\n"
    );
    println!(
        "{:<26} {:>10} {:>9} {:>9} {:>13} {:>13} {:>13} {:>9} {:>10} {:>9} {:>8}",
        "",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "server CPU µs",
        "in signatures",
        "PostgreSQL µs",
        "Redis µs",
        "statements",
        "WAL bytes",
        "Redis"
    );
}

pub fn shared_row(name: &str, (rounds, costs): &Measured) {
    let cost = |value: &dyn Fn(&Cost) -> f64| median(&of(costs, value));
    println!(
        "{} {:>13.2} {:>13.1} {:>9.1} {:>10.2} {:>9.0} {:>8.2}",
        columns(name, &rounds.loads),
        in_signatures(rounds),
        cost(&|cost| micros(cost.postgres)),
        cost(&|cost| micros(cost.redis)),
        cost(&|cost| cost.statements),
        cost(&|cost| cost.wal_bytes),
        cost(&|cost| cost.commands),
    );
}

/// The aims of a refresh on PostgreSQL and Redis.
pub fn shared_aims(small: &Measured, large: &Measured) -> String {
    let ratio = in_signatures(&small.0);
    let total = |(rounds, costs): &Measured| {
        let pairs: Vec<_> = rounds.loads.iter().zip(costs).collect();
        of(&pairs, |(load, cost)| micros(load.cpu + cost.postgres + cost.redis))
    };
    let growth: Vec<_> = total(large).iter().zip(total(small)).map(|(large, small)| large / small).collect();
    let growth = median(&growth);
    let statements = median(&of(&small.1, |cost| cost.statements));
    let commands = median(&of(&small.1, |cost| cost.commands));
    format!(
        "refresh, server CPU / one signature: {ratio:.2}, aim at most {SHARED_AIM}: {}\n\
         refresh, SQL round trips: {statements:.2}, aim at most 2: {}; Redis round trips: {commands:.2}, aim at most 1: {}\n\
         refresh, CPU of all three, large table / small table: {growth:.2}, aim at most {GROWTH_AIM}: {}",
        met(ratio <= SHARED_AIM),
        met(statements <= 2.05), // the rest is what every instance does now and then
        met(commands <= 1.05),
        met(growth <= GROWTH_AIM),
    )
}

fn columns<'a>(name: &str, loads: impl IntoIterator<Item = &'a Load>) -> String {
    let loads: Vec<_> = loads.into_iter().collect();
    let per_second = median(&of(&loads, |load| load.per_second));
    let cpu = median(&of(&loads, |load| micros(load.cpu)));
    let p50 = median(&of(&loads, |load| percentile(load, 50))) / 1e3;
    let p99 = median(&of(&loads, |load| percentile(load, 99))) / 1e3;
    format!("{name:<26} {per_second:>10.0} {p50:>9.2} {p99:>9.2} {cpu:>13.1}")
}

/// Each round against the signatures around it, because the machine's pace changes.
fn in_signatures(rounds: &Rounds) -> f64 {
    let pairs = rounds.loads.iter().zip(&rounds.signatures);
    median(&pairs.map(|(load, signature)| micros(load.cpu) / signature).collect::<Vec<_>>())
}

fn of<T>(measured: &[T], value: impl Fn(&T) -> f64) -> Vec<f64> {
    measured.iter().map(value).collect()
}

fn percentile(load: &Load, percent: usize) -> f64 {
    let place = load.latencies.len() * percent / 100;
    load.latencies.get(place).copied().map_or(0.0, |latency: Duration| micros(latency))
}

/// The middle one.
fn median<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "not met" }
}
