//! Puts a load on a process for a while, and reads what it cost.

use std::time::{Duration, Instant};

use crate::client::Client;
use crate::process::clock::{now, wait_until};

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    /// In one round.
    pub signatures: u32,
    /// In the larger of two tables.
    pub sessions: u32,
}

impl Plan {
    pub const FULL: Self = Self {
        rounds: 15,
        warm_up: Duration::from_millis(200),
        measured: Duration::from_secs(1),
        signatures: 200,
        sessions: 10_000_000,
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        warm_up: Duration::from_millis(100),
        measured: Duration::from_millis(400),
        signatures: 100,
        sessions: 100_000,
    };
}

/// What one phase of load came to.
pub struct Load {
    pub count: u32,
    pub per_second: f64,
    /// Server CPU time of one request.
    pub cpu: Duration,
    /// Of every request, sorted.
    pub latencies: Vec<Duration>,
}

/// All clients ask as fast as they are answered; the warm-up counts for nothing.
pub fn run(plan: &Plan, process: u32, clients: &mut [Client]) -> Load {
    run_observed(plan, process, clients, |_| ())
}

/// As [`run`]; `observe` looks at something else where the measuring begins, and where it ends (`true`).
pub fn run_observed(
    plan: &Plan,
    process: u32,
    clients: &mut [Client],
    mut observe: impl FnMut(bool),
) -> Load {
    clients.iter_mut().for_each(Client::connect);
    let start = now() + plan.warm_up;
    let end = start + plan.measured;
    let (mut latencies, cpu) = std::thread::scope(|scope| {
        let work = |client| scope.spawn(move || ask_between(client, start, end));
        let workers: Vec<_> = clients.iter_mut().map(work).collect();
        wait_until(start);
        observe(false);
        let before = cpu_time(process);
        wait_until(end);
        let cpu = cpu_time(process).saturating_sub(before);
        observe(true);
        let latencies: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        (latencies, cpu)
    });
    latencies.sort_unstable();
    let count = u32::try_from(latencies.len()).unwrap();
    assert!(count > 0, "nothing was answered");
    Load { count, per_second: f64::from(count) / plan.measured.as_secs_f64(), cpu: cpu / count, latencies }
}

/// Asks until the end; the time of every answer that came in between.
fn ask_between(client: &mut Client, start: Instant, end: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    loop {
        let asked = now();
        if asked >= end {
            return latencies;
        }
        client.ask();
        let answered = now();
        if answered >= start && answered < end {
            latencies.push(answered - asked);
        }
    }
}

/// User and system time of a process, ended threads included, from `/proc/<process>/stat`.
pub fn cpu_time(process: u32) -> Duration {
    TICK * stat(process).map_or(0, |stat| stat.ticks)
}

/// As [`cpu_time`], of all children of a process that there are: PostgreSQL has one for each connection.
pub fn cpu_time_of_children(process: u32) -> Duration {
    let processes = std::fs::read_dir("/proc").unwrap();
    let numbers = processes.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let children = numbers.filter_map(stat).filter(|stat| stat.parent == process);
    TICK * children.map(|stat| stat.ticks).sum::<u32>()
}

/// Linux's USER_HZ is 100.
const TICK: Duration = Duration::from_millis(10);

struct Stat {
    parent: u32,
    ticks: u32,
}

/// None when the process has ended.
fn stat(process: u32) -> Option<Stat> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold anything; the parent is the 4th, utime and stime are the
    // 14th and 15th.
    let fields: Vec<_> = stat.rsplit(')').next()?.split_whitespace().collect();
    let number = |place: usize| fields.get(place - 3)?.parse::<u32>().ok();
    Some(Stat { parent: number(4)?, ticks: number(14)? + number(15)? })
}
