//! `cargo bench --bench load [-- --quick]`: what a request costs the server, against what it cannot do without. The
//! server is a child process: the release binary with default settings, its log drained; first on SQLite with FULL sync
//! in a temporary folder, then on a private PostgreSQL and Redis. The yardstick, one RSA-2048 signature, is measured in the same run and in turn with the load.

// A benchmark stops at the first surprise, as a test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bare;
mod client;
mod measure;
#[path = "../../tests/process/mod.rs"]
mod process;
mod report;
mod shared;
mod signature;

use std::time::Duration;

use bare::Bare;
use client::Client;
use measure::{Load, Plan};
use process::{Home, Server};
use shared::Shared;
use signature::Signer;

// As the server has it, for the bare one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 16;
const SESSIONS: usize = 64;
const USER: &str = "alice";
const PASSWORD: &str = "correct horse battery staple";

/// Rounds of one kind of load, and what a signature cost around each.
#[derive(Default)]
struct Rounds {
    loads: Vec<Load>,
    signatures: Vec<f64>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    if given(bare::ARGUMENT) {
        return bare::serve();
    }
    // `cargo test --benches` runs this too, without `--bench`, and only to see that it runs.
    let plan = &if given("--quick") || !given("--bench") { Plan::QUICK } else { Plan::FULL };
    let signer = Signer::new();
    on_sqlite(plan, &signer);
    on_postgres(plan, &signer);
}

fn on_sqlite(plan: &Plan, signer: &Signer) {
    let home = Home::new();
    home.create_user(USER, PASSWORD);
    home.create_client("app", &["--public", "--grant", "password", "--grant", "refresh_token"]);
    let service = home.create_client("service", &["--confidential", "--grant", "client_credentials"]);
    let secret = service["client_secret"].as_str().unwrap();
    let server = home.serve();
    let login = format!("grant_type=password&client_id=app&username={USER}&password={PASSWORD}");
    let tokens = client::log_in(server.address, &login, SESSIONS);

    report::head(plan, CONNECTIONS, SESSIONS);
    let mut refreshers = Client::refreshing(server.address, tokens, CONNECTIONS);
    let refresh = rounds(plan, &server, signer, &mut refreshers);
    let alone = rounds(plan, &server, signer, &mut refreshers[..1]);
    let form = format!("grant_type=client_credentials&client_id=service&client_secret={secret}");
    let mut services = Client::posting(server.address, &form, CONNECTIONS);
    let credentials = rounds(plan, &server, signer, &mut services);
    let mut people = Client::posting(server.address, &login, 4);
    let passwords = rounds(plan, &server, signer, &mut people);

    report::signature(&[&refresh, &alone, &credentials, &passwords]);
    report::row("refresh", &refresh);
    report::row("refresh, 1 connection", &alone);
    report::row("client_credentials", &credentials);
    report::row("password, 4 connections", &passwords);
    let jwks = beside_bare_actix(plan, &server);
    report::jwks(&jwks);
    println!("\n{}\n{}", report::refresh_aim(&refresh), report::jwks_aim(&jwks));
}

/// A small and a large table in turn: the same work must cost the same.
fn on_postgres(plan: &Plan, signer: &Signer) {
    const FEW: u32 = 1000;
    let shared = Shared::start();
    let (small, large) = (shared.issuer("small", FEW), shared.issuer("large", plan.sessions));
    let mut few = small.refreshers(&shared, FEW);
    let mut many = large.refreshers(&shared, plan.sessions);
    let clients = [&mut few[..], &mut many[..]];
    let [on_small, on_large] = shared::compare(plan, &shared, signer, [&small, &large], clients);
    let mut people = small.people();
    let logins = shared::one(plan, &shared, signer, &small, &mut people);
    report::shared_head(plan, CONNECTIONS);
    report::shared_row(&format!("refresh, {FEW} sessions"), &on_small);
    report::shared_row(&format!("refresh, {} sessions", plan.sessions), &on_large);
    report::shared_row("password, 4 connections", &logins);
    println!("\n{}", report::shared_aims(&on_small, &on_large));
}

/// Signatures, load, signatures, load, …, signatures: whatever else the machine does meets both.
fn rounds(plan: &Plan, server: &Server, signer: &Signer, clients: &mut [Client]) -> Rounds {
    let mut rounds = Rounds::default();
    let mut before = signer.cpu_of_one(plan.signatures);
    for _ in 0..plan.rounds {
        rounds.loads.push(measure::run(plan, server.id(), clients));
        let after = signer.cpu_of_one(plan.signatures);
        rounds.signatures.push(f64::midpoint(before, after));
        before = after;
    }
    rounds
}

/// The JWKS and the same bytes from a handler that does nothing else, in turn.
fn beside_bare_actix(plan: &Plan, server: &Server) -> Vec<(Load, Load)> {
    let bare = Bare::start(server.address);
    let mut clients = Client::getting(server.address, CONNECTIONS);
    let mut bare_clients = Client::getting(bare.address, CONNECTIONS);
    let mut pair = || {
        let ours = measure::run(plan, server.id(), &mut clients);
        (ours, measure::run(plan, bare.id(), &mut bare_clients))
    };
    (0..plan.rounds).map(|_| pair()).collect()
}

/// Microseconds, as the table has them.
fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
