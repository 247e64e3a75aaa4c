//! An installation, its clients, and what is wrong between them after a crash.

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::login::{Leeway, Login, Outcome, PASSWORD, USER};
use crate::process::http::Connection;
use crate::process::{Home, Server};

/// Clients that refresh at once, each with a session.
const CLIENTS: usize = 16;
/// A server that acknowledges nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen, to show that there was something to see.
#[derive(Debug, Default)]
pub struct Tally {
    pub acknowledged: usize,
    pub unanswered_and_good: usize,
    pub unanswered_and_repeated: usize,
    pub unanswered_and_closed: usize,
    pub replayed: usize,
}

pub struct Trial {
    pub home: Home,
    pub logins: Vec<Login>,
    pub tally: Tally,
    /// What is wrong.
    pub violations: Vec<String>,
    /// Logins whose session was closed.
    past: Vec<Login>,
    chance: StdRng,
}

impl Trial {
    pub fn new(seed: u64) -> Self {
        let home = Home::with_cheap_passwords();
        home.create_user(USER, PASSWORD);
        for (leeway, duration) in [(Leeway::Strict, "0s"), (Leeway::Lenient, "60s")] {
            let kind = ["--public", "--grant", "password", "--grant", "refresh_token"];
            let arguments = [&kind[..], &["--refresh-reuse-leeway", duration]].concat();
            home.create_client(leeway.client(), &arguments);
        }
        Self {
            home,
            logins: Vec::new(),
            tally: Tally::default(),
            violations: Vec::new(),
            past: Vec::new(),
            chance: StdRng::seed_from_u64(seed),
        }
    }

    /// Puts a new login in the place of every one whose session was closed.
    pub fn log_in(&mut self, server: &Server) {
        let mut connection = Connection::open(server.address).unwrap();
        self.past.extend(self.logins.extract_if(.., |login| login.closed.is_some()));
        for leeway in [Leeway::Strict, Leeway::Lenient] {
            let present = self.logins.iter().filter(|login| login.leeway == leeway).count();
            let missing = present..CLIENTS / 2;
            self.logins.extend(missing.map(|_| Login::open(&mut connection, leeway)));
        }
    }

    /// All clients refresh at once; after some acknowledged refreshes the server is killed.
    pub fn refresh_until_killed(&mut self, server: Server) {
        let enough = self.chance.random_range(1..=3 * CLIENTS);
        let (acknowledged, acknowledgements) = channel();
        let address = server.address;
        std::thread::scope(|scope| {
            for login in &mut self.logins {
                let acknowledged = acknowledged.clone();
                scope.spawn(move || login.refresh_until_cut_off(address, &acknowledged));
            }
            for _ in 0..enough {
                acknowledgements.recv_timeout(PATIENCE).unwrap();
            }
            server.kill();
        });
        drop(acknowledged);
        self.tally.acknowledged += enough + acknowledgements.iter().count();
    }

    /// Compares what every client remembers with a restarted server.
    pub fn check(&mut self, server: &Server) {
        let rows = self.rows();
        let mut connection = Connection::open(server.address).unwrap();
        for mut login in std::mem::take(&mut self.logins) {
            let row = rows.get(&login.sid);
            self.settle(&mut connection, &mut login, row);
            if login.closed.is_none() {
                self.probe(&mut connection, &mut login);
            }
            self.logins.push(login);
        }
        self.check_rows();
    }

    /// Presents the tokens of all logins whose session was closed before.
    pub fn check_past(&mut self, server: &Server) {
        let mut connection = Connection::open(server.address).unwrap();
        for login in std::mem::take(&mut self.past) {
            for generation in [0, login.generation()] {
                self.expect(&mut connection, &login, generation, &Outcome::InvalidGrant);
            }
            self.past.push(login);
        }
    }

    /// Finds out whether an unanswered request was done, and whether its client gets over it as it should.
    fn settle(&mut self, connection: &mut Connection, login: &mut Login, row: Option<&(usize, String)>) {
        let known = login.generation();
        let spent = match row {
            Some((stored, state)) if state == "open" && *stored == known => false,
            Some((stored, state)) if state == "open" && login.unanswered && *stored == known + 1 => true,
            row => return self.complain(login, &format!("at generation {known}, but the row is {row:?}")),
        };
        match (std::mem::take(&mut login.unanswered), spent, login.leeway) {
            (false, ..) => {}
            (true, false, _) => self.tally.unanswered_and_good += 1,
            (true, true, Leeway::Lenient) => {
                self.tally.unanswered_and_repeated += 1;
                self.advance(connection, login);
                let successor = Outcome::Successor(login.tokens[login.generation()].clone());
                self.expect(connection, login, known, &successor);
            }
            (true, true, Leeway::Strict) => {
                self.tally.unanswered_and_closed += 1;
                self.expect(connection, login, known, &Outcome::InvalidGrant);
                login.closed = Some(known + 1);
            }
        }
    }

    /// Presents what is spent, what may be repeated, and what is good.
    fn probe(&mut self, connection: &mut Connection, login: &mut Login) {
        let may_repeat = login.leeway == Leeway::Lenient && login.generation() > 0;
        if may_repeat {
            let successor = Outcome::Successor(login.tokens[login.generation()].clone());
            self.expect(connection, login, login.generation() - 1, &successor);
        }
        let spent = login.generation() - usize::from(may_repeat);
        if spent > 0 && self.chance.random_ratio(1, 4) {
            self.replay(connection, login, spent);
        } else {
            self.advance(connection, login);
        }
    }

    /// Presents one of the first tokens, the last of them as often as all others: that closes the session, so that
    /// no token of it works any more.
    fn replay(&mut self, connection: &mut Connection, login: &mut Login, spent: usize) {
        self.tally.replayed += 1;
        let last = self.chance.random_ratio(1, 2);
        let replayed = if last { spent - 1 } else { self.chance.random_range(0..spent) };
        self.expect(connection, login, replayed, &Outcome::InvalidGrant);
        for generation in 0..login.tokens.len() {
            self.expect(connection, login, generation, &Outcome::InvalidGrant);
        }
        login.closed = Some(login.generation());
    }

    fn advance(&mut self, connection: &mut Connection, login: &mut Login) {
        match login.present(connection, login.generation()).unwrap() {
            Outcome::Successor(successor) => login.tokens.push(successor),
            other => self.complain(login, &format!("the good token: {other:?}")),
        }
    }

    fn expect(&mut self, connection: &mut Connection, login: &Login, generation: usize, expected: &Outcome) {
        let got = login.present(connection, generation).unwrap();
        if got != *expected {
            self.complain(login, &format!("token {generation}: {got:?} instead of {expected:?}"));
        }
    }

    /// There is one row for each login there ever was, and it says what the client knows.
    fn check_rows(&mut self) {
        let mut rows = self.rows();
        let mut wrong = Vec::new();
        for login in self.logins.iter().chain(&self.past) {
            let (generation, state) = login.expected_row();
            let row = rows.remove(&login.sid);
            if row != Some((generation, state.to_owned())) {
                wrong.push(format!("{}: {row:?} instead of {state} at {generation}", login.sid));
            }
        }
        wrong.extend(rows.keys().map(|sid| format!("{sid}: nobody's session")));
        self.violations.append(&mut wrong);
    }

    /// Generation and state of every session.
    fn rows(&self) -> HashMap<String, (usize, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let generation = |row: &Value| usize::try_from(row["generation"].as_u64().unwrap()).unwrap();
        let listed = self.home.sessions();
        let read = |row: &Value| (text(&row["id"]), (generation(row), text(&row["state"])));
        let rows: HashMap<_, _> = listed.iter().map(read).collect();
        assert_eq!(rows.len(), listed.len(), "a session has two rows");
        rows
    }

    fn complain(&mut self, login: &Login, problem: &str) {
        self.violations.push(format!("{} ({:?}): {problem}", login.sid, login.leeway));
    }
}
