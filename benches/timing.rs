//! `cargo bench --bench timing`: whether the time of a refused login tells what there is. Logins are refused in every way
//! in turn, at the real cost of a password, and their medians held against each other. Aim: within 5 %.

// A benchmark stops at the first surprise, as a test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/process/mod.rs"]
mod process;

use std::time::Duration;

use process::Home;
use process::http::Connection;

const PASSWORD: &str = "correct horse battery staple";
/// What is wrong, with the user and password that are sent.
const WAYS: [(&str, &str, &str); 4] = [
    ("unknown user", "nobody", PASSWORD),
    ("wrong password", "alice", "wrong"),
    ("disabled user", "carol", PASSWORD),
    ("disabled user, wrong password", "carol", "wrong"),
];
const TRIES: usize = 200;
/// The server's first hashes find its memory untouched.
const WARM_UP: usize = 5;
const AIM: f64 = 0.05;

#[allow(clippy::disallowed_methods)] // a stopwatch
fn timed(connection: &mut Connection, form: &str) -> Duration {
    let start = std::time::Instant::now();
    let answer = connection.post("/token", form).unwrap();
    let took = start.elapsed();
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_grant".into()));
    took
}

fn main() {
    // `cargo test --benches` runs this too, without `--bench`, and only to see that it runs.
    let tries = if std::env::args().any(|argument| argument == "--bench") { TRIES } else { 1 };
    let limits = ["ATTEMPTS", "ACCOUNT_ATTEMPTS", "ADDRESS_ATTEMPTS"];
    let variables = limits.map(|limit| format!("CHANCERY__LIMITS__{limit}"));
    let home = Home::new();
    for user in ["alice", "carol"] {
        home.create_user(user, PASSWORD);
    }
    home.cli(&["users", "disable", "carol", "--json"], "");
    home.create_client("app", &["--public", "--grant", "password"]);
    let unlimited: Vec<_> = variables.iter().map(|variable| (variable.as_str(), "0")).collect();
    let server = home.serve_with(&unlimited);

    let mut connection = Connection::open(server.address).unwrap();
    let mut times = WAYS.map(|_| Vec::with_capacity(tries));
    for round in 0..tries + WARM_UP {
        for ((_, user, password), times) in WAYS.iter().zip(&mut times) {
            let form = format!("client_id=app&username={user}&password={password}");
            let took = timed(&mut connection, &form);
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    report(tries, times);
}

fn report(tries: usize, times: [Vec<Duration>; WAYS.len()]) {
    println!("Refused logins, each {tries} times in turn: medians");
    let medians = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    });
    for ((name, ..), median) in WAYS.iter().zip(medians) {
        println!("  {name:<32} {median:7.2} ms");
    }
    let (least, most) =
        (medians.iter().copied().fold(f64::MAX, f64::min), medians.iter().copied().fold(0.0, f64::max));
    let spread = most / least - 1.0;
    let verdict = if spread <= AIM { "met" } else { "not met" };
    println!("  {:.1} % apart; aim: {:.0} %: {verdict}", spread * 100.0, AIM * 100.0);
}
