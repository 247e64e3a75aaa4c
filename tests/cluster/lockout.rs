//! Wrong guesses at several instances: with Redis they count together, without it each counts by itself.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::time::Duration;

use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, PASSWORD, USER};
use crate::machine;
use crate::process::http::Connection;
use crate::time::within;

const CLIENTS: usize = 60;
const GUESSES: usize = 240;
/// What one account takes from one network.
const LIMIT: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);

/// How often each status was answered.
type Counts = BTreeMap<u16, usize>;

/// Guesses from all clients at once, at all instances in turn.
fn guess(cluster: &Cluster, password: &str, times: usize) -> Counts {
    let start = Barrier::new(CLIENTS);
    let client = |number: usize| {
        let mut connection = cluster.connect(number % INSTANCES);
        start.wait();
        (0..times / CLIENTS).map(|_| status(&mut connection, password)).collect::<Vec<_>>()
    };
    let statuses = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    statuses.into_iter().fold(Counts::new(), |mut counts, status| {
        *counts.entry(status).or_default() += 1;
        counts
    })
}

fn status(connection: &mut Connection, password: &str) -> u16 {
    let answer = connection.post("/token", &form(USER, password)).unwrap();
    assert!(answer.status != 429 || answer.header("retry-after").is_some());
    answer.status
}

fn form(user: &str, password: &str) -> String {
    format!("client_id={}&username={user}&password={password}", Leeway::Strict.client())
}

#[test]
fn of_many_wrong_guesses_at_once_at_three_instances_five_are_looked_at() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    assert_eq!(guess(&cluster, "wrong", GUESSES), Counts::from([(400, LIMIT), (429, GUESSES - LIMIT)]));
    // Every instance knows.
    for mut connection in cluster.connect_to_all() {
        assert_eq!(status(&mut connection, PASSWORD), 429);
    }
}

#[test]
fn right_passwords_at_once_at_three_instances_all_pass() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    assert_eq!(guess(&cluster, PASSWORD, CLIENTS), Counts::from([(200, CLIENTS)]));
}

#[test]
fn while_redis_is_away_each_instance_takes_half_as_many_and_forgets_none_that_it_saw() {
    let _machine = machine::shared();
    let mut cluster = Cluster::start();
    let [one, two, _] = &mut cluster.connect_to_all();
    for _ in 0..LIMIT {
        assert_eq!(status(one, "wrong"), 400);
    }
    cluster.redis.kill();
    assert_eq!(status(one, "wrong"), 429);
    // An instance that saw none of these takes its own share.
    for _ in 0..LIMIT.div_ceil(2) {
        assert_eq!(status(two, "wrong"), 400);
    }
    assert_eq!(status(two, "wrong"), 429);
    cluster.redis.start_again();
    let is_back = || two.get("/readyz").unwrap().json()["redis"] == "ok";
    within(PATIENCE, is_back).expect("Redis is in use again");
    within(PATIENCE, || status(two, PASSWORD) == 200).expect("the wait is over");
}

#[test]
fn guesses_of_an_instance_that_died_keep_others_waiting_for_seconds_only() {
    let _machine = machine::shared();
    let mut cluster = Cluster::start();
    // In the middle of as many guesses as there may be.
    let mut hung: Vec<_> = (0..LIMIT).map(|_| cluster.connect(0)).collect();
    std::thread::scope(|scope| {
        for connection in &mut hung {
            scope.spawn(|| connection.post("/token", &form(USER, "wrong")).map(|answer| answer.status).ok());
        }
        let admitted = || cluster.redis.command(&["KEYS", "test:guesses:*"]).lines().count() >= 3;
        within(PATIENCE, admitted).expect("the guesses are admitted");
        cluster.kill(0);
    });
    let mut connection = cluster.connect(1);
    let after = within(PATIENCE, || status(&mut connection, PASSWORD) == 200);
    eprintln!("the owner logs in after {after:?}");
    assert!(after.expect("the owner logs in") < Duration::from_secs(15));
}
