//! The table and the aims. Aims are told, not enforced: a clock on a shared machine is no judge.

use std::time::Duration;

use crate::measure::{Load, Plan};
use crate::{Rounds, micros};

/// CPU time of a refresh, in signatures, at the most.
const REFRESH_AIM: f64 = 1.3;
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
