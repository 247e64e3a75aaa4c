//! What Redis is good for between instances: what one of them closed is refused by another without the database, and a
//! rotation is seen at once.

use std::time::Duration;

use crate::client::Jwks;
use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login, Outcome};
use crate::machine;
use crate::process::http::Connection;
use crate::time::{now, within};

/// Nothing here waits for a database that does not answer.
const MOMENT: Duration = Duration::from_secs(1);
/// "At once" on a busy machine; an instance looks for itself every five seconds.
const NEWS: Duration = Duration::from_secs(2);
const ROTATIONS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_replay_of_a_closed_session_is_answered_from_redis_without_touching_the_database() {
    let _machine = machine::shared();
    let mut cluster = Cluster::start();
    let mut connections = cluster.connect_to_all();
    let live = Login::open(&mut connections[0], Leeway::Strict);
    let closed = closed(&mut connections[0]);
    cluster.postgres.stop_immediately();
    for connection in &mut connections {
        for generation in 0..closed.tokens.len() {
            let asked = now();
            assert_eq!(closed.present(connection, generation).unwrap(), Outcome::InvalidGrant);
            assert!(asked.elapsed() < MOMENT, "{:?}", asked.elapsed());
        }
        expect_put_off(connection, &live);
    }
    // It was Redis that knew.
    cluster.redis.kill();
    expect_put_off(&mut connections[0], &closed);
    cluster.postgres.start_again();
    let refreshes = || matches!(live.present(&mut connections[1], 0).unwrap(), Outcome::Successor(_));
    within(PATIENCE, refreshes).expect("the live session's token was not spent");
}

/// A session that a replay closed.
fn closed(connection: &mut Connection) -> Login {
    let mut login = Login::open(connection, Leeway::Strict);
    match login.present(connection, 0).unwrap() {
        Outcome::Successor(successor) => login.tokens.push(successor),
        other => panic!("{other:?}"),
    }
    assert_eq!(login.present(connection, 0).unwrap(), Outcome::InvalidGrant);
    login
}

/// The client is told to come again, soon.
fn expect_put_off(connection: &mut Connection, login: &Login) {
    let (client, token) = (login.leeway.client(), &login.tokens[0]);
    let asked = now();
    let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
    let answer = connection.post("/token", &form).unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.json());
    assert!(asked.elapsed() < 2 * MOMENT, "{:?}", asked.elapsed());
}

#[test]
fn a_forced_rotation_shows_in_the_jwks_of_every_instance_at_once() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let mut connections = cluster.connect_to_all();
    let subscribed =
        || cluster.redis.command(&["PUBSUB", "NUMSUB", "test:ring"]).ends_with(&INSTANCES.to_string());
    within(PATIENCE, subscribed).expect("every instance subscribes");
    let mut slowest = Duration::ZERO;
    for _ in 0..ROTATIONS {
        let before = Jwks::document(&mut connections[0]);
        cluster.home.cli(&["keys", "rotate", "--force", "--json"], "");
        let mut shown = connections.iter_mut().map(|connection| {
            let seen = within(PATIENCE, || Jwks::document(connection) != before);
            (seen.expect("the rotation is seen"), Jwks::document(connection))
        });
        let (mut last, document) = shown.next().unwrap();
        for (after, other) in shown {
            last += after; // they are asked one after another
            assert_eq!(other, document);
        }
        slowest = slowest.max(last);
    }
    eprintln!("a rotation is seen everywhere after {slowest:?} at the most");
    assert!(slowest < NEWS, "{slowest:?}");
}
