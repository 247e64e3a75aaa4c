//! Whatever ends a session ends it everywhere: a refresh races with it on another instance, and from the moment at
//! which the ending is acknowledged every instance refuses every token of that session.

mod ways;

use std::sync::Barrier;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ways::{Ender, Way};

use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login, Outcome, PASSWORD};
use crate::machine;
use crate::process::http::Connection;
use crate::time::{now, wait_until};

/// Of each way.
const ROUNDS: usize = 250;
/// Of these by a command, where there is one.
const COMMANDS: usize = 5;
/// One of the two that race begins up to so many microseconds later.
const HEAD_START: i64 = 8000;

/// What was seen, to show that there was a race.
#[derive(Debug, Default)]
struct Tally {
    refreshed: usize,
    refused: usize,
    /// Refused requests after the ending.
    probes: usize,
}

/// One way of ending sessions, with a user of its own.
struct Trial<'a> {
    way: Way,
    ender: Ender<'a>,
    connections: [Connection; INSTANCES],
    racers: [Connection; INSTANCES],
    chance: StdRng,
    tally: Tally,
}

#[test]
fn once_a_revocation_is_answered_no_instance_refreshes_that_session() {
    let _machine = machine::shared();
    let cluster = Cluster::start();
    let tallies = std::thread::scope(|scope| {
        let run = |way: Way| {
            let cluster = &cluster;
            scope.spawn(move || Trial::new(cluster, way).run())
        };
        Way::ALL.map(run).map(|thread| thread.join().unwrap())
    });
    for (way, tally) in Way::ALL.into_iter().zip(tallies) {
        eprintln!("{way:?}: {tally:?}");
        assert!(tally.refreshed > 0 && tally.refused > 0, "{way:?} did not meet a refresh: {tally:?}");
    }
}

impl<'a> Trial<'a> {
    fn new(cluster: &'a Cluster, way: Way) -> Self {
        cluster.home.create_user(way.user(), PASSWORD);
        Self {
            way,
            ender: Ender::new(cluster, way),
            connections: cluster.connect_to_all(),
            racers: cluster.connect_to_all(),
            chance: StdRng::seed_from_u64(way as u64),
            tally: Tally::default(),
        }
    }

    fn run(mut self) -> Tally {
        for round in 0..ROUNDS {
            let by_command = round >= ROUNDS - COMMANDS;
            let leeway = if round % 2 == 0 { Leeway::Lenient } else { Leeway::Strict };
            let problem = self.play(round, leeway, by_command).err();
            assert_eq!(problem, None, "{:?}, round {round}, {leeway:?}", self.way);
        }
        self.tally
    }

    /// A session is ended while it is refreshed.
    fn play(&mut self, round: usize, leeway: Leeway, by_command: bool) -> Result<(), String> {
        let mut login = Login::open_as(self.way.user(), &mut self.connections[round % INSTANCES], leeway);
        let head_start = self.chance.random_range(-HEAD_START..HEAD_START);
        let won = self.race(round, &login, head_start, by_command)?;
        match won {
            Outcome::Successor(successor) => {
                self.tally.refreshed += 1;
                login.tokens.push(successor);
            }
            Outcome::InvalidGrant => self.tally.refused += 1,
            other => return Err(format!("the refresh under way is answered {other:?}")),
        }
        // The newest first: a session that is still open would be closed by a spent one.
        for generation in (0..login.tokens.len()).rev() {
            self.expect_refused(&login, generation)?;
        }
        self.ender.prepare_another(self.way);
        Ok(())
    }

    /// What the refresh is answered that is sent at about the same time as the session is ended.
    fn race(&mut self, round: usize, login: &Login, delay: i64, by_command: bool) -> Result<Outcome, String> {
        let start = Barrier::new(2);
        let wait = |delay: i64| {
            start.wait();
            wait_until(now() + Duration::from_micros(delay.max(0).unsigned_abs()));
        };
        let racer = &mut self.racers[(round + 1) % INSTANCES];
        let (way, ender, connections) = (self.way, &self.ender, &mut self.connections);
        std::thread::scope(|scope| {
            let racer = scope.spawn(|| {
                wait(delay);
                login.present(racer, 0).unwrap()
            });
            wait(-delay);
            let instance = &mut connections[(round + 2) % INSTANCES];
            if by_command {
                ender.command(way, login, instance);
            } else {
                ender.end(way, login, instance);
            }
            // It is over, whatever becomes of the other request. Of a lenient client's open session every instance would
            // exchange or repeat this token; a strict one's would be closed by it if it were spent.
            let seen = if login.leeway == Leeway::Lenient { refused(connections, login, 0) } else { Ok(0) };
            let outcome = racer.join().unwrap();
            self.tally.probes += seen?;
            Ok(outcome)
        })
    }

    fn expect_refused(&mut self, login: &Login, generation: usize) -> Result<(), String> {
        self.tally.probes += refused(&mut self.connections, login, generation)?;
        Ok(())
    }
}

/// Presents a token to every instance; how often it was refused, or who did otherwise.
fn refused(connections: &mut [Connection], login: &Login, generation: usize) -> Result<usize, String> {
    for (instance, connection) in connections.iter_mut().enumerate() {
        let outcome = login.present(connection, generation).unwrap();
        if outcome != Outcome::InvalidGrant {
            return Err(format!(
                "instance {instance} answers {outcome:?} to token {generation} after the end"
            ));
        }
    }
    Ok(connections.len())
}
