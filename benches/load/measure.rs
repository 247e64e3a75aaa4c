//! Puts a load on a process for a while, and reads what it cost.

use std::time::{Duration, Instant};

use crate::client::Client;

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    /// In one round.
    pub signatures: u32,
}

impl Plan {
    pub const FULL: Self = Self {
        rounds: 15,
        warm_up: Duration::from_millis(200),
        measured: Duration::from_secs(1),
        signatures: 200,
    };
    pub const QUICK: Self = Self {
        rounds: 3,
        warm_up: Duration::from_millis(100),
        measured: Duration::from_millis(400),
        signatures: 100,
    };
}

/// What one phase of load came to.
pub struct Load {
    pub per_second: f64,
    /// Server CPU time of one request.
    pub cpu: Duration,
    /// Of every request, sorted.
    pub latencies: Vec<Duration>,
}

/// All clients ask as fast as they are answered; the warm-up counts for nothing.
pub fn run(plan: &Plan, process: u32, clients: &mut [Client]) -> Load {
    clients.iter_mut().for_each(Client::connect);
    let start = now() + plan.warm_up;
    let end = start + plan.measured;
    let (mut latencies, cpu) = std::thread::scope(|scope| {
        let work = |client| scope.spawn(move || ask_between(client, start, end));
        let workers: Vec<_> = clients.iter_mut().map(work).collect();
        wait_until(start);
        let before = cpu_time(process);
        wait_until(end);
        let cpu = cpu_time(process).saturating_sub(before);
        let latencies: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        (latencies, cpu)
    });
    latencies.sort_unstable();
    let count = u32::try_from(latencies.len()).unwrap();
    assert!(count > 0, "nothing was answered");
    Load { per_second: f64::from(count) / plan.measured.as_secs_f64(), cpu: cpu / count, latencies }
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

fn wait_until(time: Instant) {
    loop {
        let left = time.saturating_duration_since(now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

/// User and system time of a process, ended threads included, from `/proc/<process>/stat`.
fn cpu_time(process: u32) -> Duration {
    const TICK: Duration = Duration::from_millis(10); // Linux's USER_HZ is 100
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The second field is a name in parentheses, which may hold anything; utime and stime are the 14th and 15th.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).map(|field| field.parse::<u32>().unwrap()).sum();
    TICK * ticks
}

// A benchmark is about the machine's clock.
#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    Instant::now()
}
