//! Clients that refresh through nginx while instances are killed and come back: what each of them was told stays true.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login, Outcome};
use crate::machine;
use crate::nginx::Nginx;
use crate::process::http::Connection;
use crate::time::{now, wait_until};

const CLIENTS: usize = 64;
/// A lost answer may have spent the token: clients repeat what they sent, within the leeway.
const KILLS: Load =
    Load { leeway: Leeway::Lenient, seconds: 60, outages: &[(0, 15, 20), (1, 35, 40)], end: Cluster::kill };
/// One instance after the other, as an update does it. Whatever an instance was sent it answers: clients that may repeat
/// nothing see that.
const UPDATE: Load = Load {
    leeway: Leeway::Strict,
    seconds: 24,
    outages: &[(0, 2, 2), (1, 8, 8), (2, 14, 14)],
    end: Cluster::stop,
};
/// How long after the restart a request may still fail.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Every so many refreshes the token before is presented again.
const REPETITION: usize = 16;
/// Of the requests at the end, so many are looked at for whether every instance has its share again.
const LAST: usize = 1000;

/// At any time an instance of a machine that has too much to do may put off a request, but not every thousandth.
const PUT_OFF: usize = 1000;

const UNAVAILABLE: &str = "503";

/// An answer that did not come from an instance, or put the client off.
#[derive(Debug)]
struct Trouble {
    at: Instant,
    what: String,
}

/// For how long clients refresh, and what happens meanwhile.
struct Load {
    leeway: Leeway,
    seconds: u64,
    /// Which instance ends at which second, and at which it is started again.
    outages: &'static [(usize, u64, u64)],
    end: fn(&mut Cluster, usize),
}

struct Client {
    proxy: SocketAddr,
    connection: Option<Connection>,
    login: Login,
    /// It was put off and may not repeat what it sent: what was begun late may still be done.
    is_over: bool,
    repeated: usize,
    /// Without an answer from an instance.
    lost: Vec<Trouble>,
    wrong: Vec<String>,
    slowest: Duration,
}

impl Client {
    fn open(proxy: SocketAddr, leeway: Leeway) -> Self {
        let mut connection = Connection::open(proxy).unwrap();
        Self {
            proxy,
            login: Login::open(&mut connection, leeway),
            connection: Some(connection),
            is_over: false,
            repeated: 0,
            lost: Vec::new(),
            wrong: Vec::new(),
            slowest: Duration::ZERO,
        }
    }

    fn refresh_until(&mut self, end: Instant) {
        while now() < end && self.wrong.is_empty() && !self.is_over {
            self.refresh();
            let is_turn = self.login.generation() % REPETITION == REPETITION - 1;
            if self.login.leeway == Leeway::Lenient && !self.login.unanswered && is_turn {
                self.repeat();
            }
        }
    }

    /// Presents the good token, as far as the client knows. When that was unanswered before, it may have been spent.
    fn refresh(&mut self) {
        match self.present(self.login.generation()) {
            Some(Outcome::Successor(successor)) => {
                self.login.tokens.push(successor);
                self.login.unanswered = false;
            }
            Some(other) => self.wrong.push(format!("the good token is answered {other:?}")),
            None => self.login.unanswered = true,
        }
    }

    /// The token before yields the same successor again, whichever instance gave it.
    fn repeat(&mut self) {
        let good = self.login.generation();
        match self.present(good - 1) {
            Some(Outcome::Successor(again)) if again == self.login.tokens[good] => self.repeated += 1,
            Some(other) => self.wrong.push(format!("the token before is answered {other:?}")),
            None => {}
        }
    }

    /// None: no instance answered.
    fn present(&mut self, generation: usize) -> Option<Outcome> {
        let asked = now();
        let outcome = match &mut self.connection {
            Some(connection) => self.login.present(connection, generation),
            none => Connection::open(self.proxy).and_then(|connection| {
                let connection = none.insert(connection);
                self.login.present(connection, generation)
            }),
        };
        self.slowest = self.slowest.max(asked.elapsed());
        let what = match outcome {
            Ok(Outcome::Unavailable) => {
                self.is_over = self.login.leeway == Leeway::Strict;
                UNAVAILABLE.to_owned()
            }
            Ok(Outcome::Lost) => "502 or 504".to_owned(),
            Ok(outcome) => return Some(outcome),
            Err(error) => {
                self.connection = None;
                error.to_string()
            }
        };
        self.lost.push(Trouble { at: now(), what });
        None
    }

    /// Every token is the one of its session and generation, and the row is where the client thinks it is.
    fn check(&mut self, row: &(String, u64)) {
        let (state, generation) = row;
        let known = self.login.generation() as u64;
        let may_be = known..=known + u64::from(self.login.unanswered);
        if state != "open" || !may_be.contains(generation) {
            self.wrong.push(format!("{row:?} is not open at {may_be:?}"));
        }
        for (generation, token) in self.login.tokens.iter().enumerate() {
            let named = names(token);
            if named != (self.login.sid.replace('-', ""), generation) {
                self.wrong.push(format!("token {generation} is {named:?}"));
            }
        }
    }
}

/// The session and the generation that stand in a refresh token.
fn names(token: &str) -> (String, usize) {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix("cr1_").unwrap()).unwrap();
    let session = bytes[1..17].iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let generation = u32::from_be_bytes(bytes[17..21].try_into().unwrap());
    (session, generation as usize)
}

#[test]
fn clients_that_refresh_through_nginx_lose_nothing_while_instances_are_killed_and_restarted() {
    let lost = KILLS.run();
    assert!(lost > 0, "the instances that were killed had nothing to do");
}

#[test]
fn an_update_of_all_instances_loses_no_answer() {
    assert_eq!(UPDATE.run(), 0);
}

impl Load {
    /// Checks what the clients were told; how many answers were lost.
    fn run(&self) -> usize {
        let _alone = machine::alone();
        let mut cluster = Cluster::start();
        let nginx = Nginx::start(cluster.addresses);
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::open(nginx.address, self.leeway)).collect();
        let outages = self.refresh(&mut cluster, &mut clients);
        let rows = rows(&cluster);
        for client in &mut clients {
            client.check(&rows[&client.login.sid]);
            if !client.is_over {
                client.refresh();
            }
        }
        report(&clients, &outages);
        check(&clients);
        check_shares(&nginx, &cluster);
        count_lost(&clients, &outages)
    }

    /// All clients refresh; meanwhile instances end and come back. Tells when requests may have failed.
    fn refresh(&self, cluster: &mut Cluster, clients: &mut [Client]) -> Vec<Range<Instant>> {
        let start = now();
        let at = |seconds| start + Duration::from_secs(seconds);
        std::thread::scope(|scope| {
            for client in clients {
                scope.spawn(move || client.refresh_until(at(self.seconds)));
            }
            let outage = |&(instance, ended, restarted): &_| {
                wait_until(at(ended));
                let begin = now();
                (self.end)(cluster, instance);
                wait_until(at(restarted));
                cluster.restart(instance);
                begin..now() + AFTERMATH
            };
            self.outages.iter().map(outage).collect()
        })
    }
}

/// Nothing that a client was told was taken back, or told twice.
fn check(clients: &[Client]) {
    let wrong: Vec<_> = clients.iter().flat_map(|client| &client.wrong).collect();
    assert_eq!(wrong, [""; 0]);
    let mut rest = clients.iter().filter(|client| !client.is_over);
    assert!(rest.all(|client| !client.login.unanswered && client.login.generation() > REPETITION));
    let tokens: HashSet<_> = clients.iter().flat_map(|client| &client.login.tokens).collect();
    assert_eq!(tokens.len(), clients.iter().map(|client| client.login.tokens.len()).sum::<usize>());
}

/// The answers that did not come, all of them while an instance was away.
fn count_lost(clients: &[Client], outages: &[Range<Instant>]) -> usize {
    let troubles = clients.iter().flat_map(|client| &client.lost);
    let (put_off, lost): (Vec<_>, Vec<_>) = troubles.partition(|trouble| trouble.what == UNAVAILABLE);
    let refreshes: usize = clients.iter().map(|client| client.login.generation()).sum();
    assert!(put_off.len() * PUT_OFF <= refreshes, "{} were put off", put_off.len());
    let out_of_time = |trouble: &&&Trouble| !outages.iter().any(|outage| outage.contains(&trouble.at));
    let beside: Vec<_> = lost.iter().filter(out_of_time).collect();
    assert!(beside.is_empty(), "away from the outages: {beside:?}");
    lost.len()
}

/// State and generation of every session.
fn rows(cluster: &Cluster) -> HashMap<String, (String, u64)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let listed = cluster.home.sessions().into_iter();
    listed.map(|row| (text(&row["id"]), (text(&row["state"]), row["generation"].as_u64().unwrap()))).collect()
}

/// The killed instances take part again.
fn check_shares(nginx: &Nginx, cluster: &Cluster) {
    let requests = nginx.requests();
    let last = &requests[requests.len() - LAST..];
    let share = |address: SocketAddr| {
        let address = format!(" {address} ");
        last.iter().filter(|line| line.contains(&address)).count()
    };
    let shares = cluster.addresses.map(share);
    assert!(shares.iter().all(|share| *share > LAST / INSTANCES / 2), "{shares:?}");
}

fn report(clients: &[Client], outages: &[Range<Instant>]) {
    let refreshes: usize = clients.iter().map(|client| client.login.generation()).sum();
    let repeated: usize = clients.iter().map(|client| client.repeated).sum();
    let slowest = clients.iter().map(|client| client.slowest).max().unwrap();
    eprintln!(
        "{CLIENTS} clients: {refreshes} refreshes, {repeated} repetitions; the slowest took {slowest:?}"
    );
    for outage in outages {
        let troubles = clients.iter().flat_map(|client| &client.lost);
        let mut kinds = HashMap::<_, usize>::new();
        let mut latest = Duration::ZERO;
        for trouble in troubles.filter(|trouble| outage.contains(&trouble.at)) {
            *kinds.entry(trouble.what.as_str()).or_default() += 1;
            latest = latest.max(trouble.at - outage.start);
        }
        let length = (outage.end - outage.start).saturating_sub(AFTERMATH);
        eprintln!("an outage of {length:?}: {kinds:?}, the last after {latest:?}");
    }
}
