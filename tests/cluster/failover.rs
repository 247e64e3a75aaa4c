//! Clients that refresh through nginx while instances are killed and come back: what each of them was told stays true.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
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
const LOAD: Duration = Duration::from_secs(60);
/// Which instance is killed when, and when it is started again: seconds of the load.
const OUTAGES: [(usize, u64, u64); 2] = [(0, 15, 20), (1, 35, 40)];
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

struct Client {
    proxy: SocketAddr,
    connection: Option<Connection>,
    login: Login,
    repeated: usize,
    /// Without an answer from an instance.
    lost: Vec<Trouble>,
    wrong: Vec<String>,
    slowest: Duration,
}

impl Client {
    fn open(proxy: SocketAddr) -> Self {
        let mut connection = Connection::open(proxy).unwrap();
        Self {
            proxy,
            login: Login::open(&mut connection, Leeway::Lenient),
            connection: Some(connection),
            repeated: 0,
            lost: Vec::new(),
            wrong: Vec::new(),
            slowest: Duration::ZERO,
        }
    }

    fn refresh_until(&mut self, end: Instant) {
        while now() < end && self.wrong.is_empty() {
            self.refresh();
            if !self.login.unanswered && self.login.generation() % REPETITION == REPETITION - 1 {
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
            Ok(Outcome::Unavailable) => UNAVAILABLE.to_owned(),
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
    let _alone = machine::alone();
    let mut cluster = Cluster::start();
    let nginx = Nginx::start(cluster.addresses);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Client::open(nginx.address)).collect();
    let outages = load(&mut cluster, &mut clients);
    let rows = rows(&cluster);
    for client in &mut clients {
        client.check(&rows[&client.login.sid]);
        client.refresh();
    }
    report(&clients, &outages);
    let wrong: Vec<_> = clients.iter().flat_map(|client| &client.wrong).collect();
    assert_eq!(wrong, [""; 0]);
    assert!(clients.iter().all(|client| !client.login.unanswered && client.login.generation() > REPETITION));
    let out_of_time = |trouble: &&Trouble| !outages.iter().any(|outage| outage.contains(&trouble.at));
    let troubles = clients.iter().flat_map(|client| &client.lost).filter(out_of_time);
    let (put_off, lost): (Vec<_>, Vec<_>) = troubles.partition(|trouble| trouble.what == UNAVAILABLE);
    assert!(lost.is_empty(), "away from the outages: {lost:?}");
    let tokens: HashSet<_> = clients.iter().flat_map(|client| &client.login.tokens).collect();
    assert_eq!(tokens.len(), clients.iter().map(|client| client.login.tokens.len()).sum::<usize>());
    assert!(put_off.len() * PUT_OFF <= tokens.len(), "{} were put off", put_off.len());
    check_shares(&nginx, &cluster);
}

/// All clients refresh; meanwhile instances are killed and restarted. Tells when requests may have failed.
fn load(cluster: &mut Cluster, clients: &mut [Client]) -> Vec<std::ops::Range<Instant>> {
    let start = now();
    std::thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || client.refresh_until(start + LOAD));
        }
        let outage = |(instance, killed, restarted)| {
            wait_until(start + Duration::from_secs(killed));
            let begin = now();
            cluster.kill(instance);
            wait_until(start + Duration::from_secs(restarted));
            cluster.restart(instance);
            begin..now() + AFTERMATH
        };
        OUTAGES.map(outage).to_vec()
    })
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

fn report(clients: &[Client], outages: &[std::ops::Range<Instant>]) {
    let refreshes: usize = clients.iter().map(|client| client.login.generation()).sum();
    let repeated: usize = clients.iter().map(|client| client.repeated).sum();
    let slowest = clients.iter().map(|client| client.slowest).max().unwrap();
    eprintln!(
        "{refreshes} refreshes and {repeated} repetitions by {CLIENTS} clients in {LOAD:?}; the slowest took {slowest:?}"
    );
    for outage in outages {
        let troubles = clients.iter().flat_map(|client| &client.lost);
        let mut kinds = HashMap::<_, usize>::new();
        let mut latest = Duration::ZERO;
        for trouble in troubles.filter(|trouble| outage.contains(&trouble.at)) {
            *kinds.entry(trouble.what.as_str()).or_default() += 1;
            latest = latest.max(trouble.at - outage.start);
        }
        eprintln!("an outage: {kinds:?}, the last {latest:?} after the kill");
    }
}
