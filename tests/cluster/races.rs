//! One refresh token, presented many times at once at every instance.

use std::sync::Barrier;

use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login, Outcome};
use crate::machine;
use crate::process::http::Connection;

const ROUNDS: usize = 20;
const AT_ONCE: usize = 50;

#[test]
fn one_refresh_token_presented_fifty_times_at_once_across_three_instances_yields_one_generation() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connections: Vec<_> = (0..AT_ONCE).map(|number| cluster.connect(number % INSTANCES)).collect();
    for round in 0..ROUNDS {
        let login = Login::open(&mut connections[0], Leeway::Strict);
        let outcomes = present_at_once(&login, &mut connections);
        let (won, lost): (Vec<_>, Vec<_>) =
            outcomes.into_iter().partition(|outcome| matches!(outcome, Outcome::Successor(_)));
        assert_eq!(won.len(), 1, "round {round}: {won:?} {lost:?}");
        assert!(lost.iter().all(|outcome| *outcome == Outcome::InvalidGrant), "round {round}: {lost:?}");
        assert_eq!(cluster.row(&login.sid), "1 reused", "round {round}");
    }
}

#[test]
fn within_the_leeway_all_fifty_get_the_same_successor() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connections: Vec<_> = (0..AT_ONCE).map(|number| cluster.connect(number % INSTANCES)).collect();
    for round in 0..ROUNDS {
        let mut login = Login::open(&mut connections[0], Leeway::Lenient);
        let outcomes = present_at_once(&login, &mut connections);
        let Outcome::Successor(successor) = &outcomes[0] else { panic!("round {round}: {outcomes:?}") };
        let same = Outcome::Successor(successor.clone());
        assert!(outcomes.iter().all(|outcome| *outcome == same), "round {round}: {outcomes:?}");
        assert_eq!(cluster.row(&login.sid), "1 open", "round {round}");
        login.tokens.push(successor.clone());
        assert!(matches!(login.present(&mut connections[0], 1).unwrap(), Outcome::Successor(_)));
    }
}

/// What each was answered.
fn present_at_once(login: &Login, connections: &mut [Connection]) -> Vec<Outcome> {
    let start = Barrier::new(connections.len());
    let present = |connection| {
        start.wait();
        login.present(connection, 0).unwrap()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            connections.iter_mut().map(|connection| scope.spawn(|| present(connection))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
