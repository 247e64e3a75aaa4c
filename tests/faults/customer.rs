//! A customer of several servers that do the same work: logs in, refreshes, asks about its tokens, ends its sessions in
//! either way, and shows what is spent or revoked again and again, wherever it was not a moment ago.

use std::net::SocketAddr;

use crate::client::{Answer, Client, Record};

pub const USER: &str = "alice";
pub const PASSWORD: &str = "secret";
/// May introspect.
pub const API: &str = "api";
/// The client whose spent tokens yield their successor again for a while, and the one whose do not.
pub const CLIENTS: [(&str, &str); 2] = [("lenient", "60s"), ("strict", "0s")];

/// Ended sessions that are remembered.
const MEMORY: usize = 16;

pub struct Customer {
    servers: Vec<Client>,
    client: &'static str,
    secret: String,
    turn: usize,
    session: Option<Session>,
    ended: Vec<Session>,
    pub tally: Tally,
}

/// What a customer has of a login.
struct Session {
    /// By generation.
    tokens: Vec<String>,
    access: String,
    /// The last token was shown, and `503` said nothing about what became of it.
    is_in_doubt: bool,
}

/// What was seen, to show that there was something to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub refreshed: usize,
    pub ended: usize,
    pub refused: usize,
    /// Answered `503`.
    pub put_off: usize,
    /// Sessions of the strict client that ended because a token was spent by a request that `503` answered.
    pub lost: usize,
}

impl Customer {
    /// Half of all customers are strict.
    pub fn new(number: usize, servers: &[SocketAddr], secret: &str) -> Self {
        Self {
            servers: servers.iter().copied().map(Client::of).collect(),
            client: CLIENTS[number % CLIENTS.len()].0,
            secret: secret.to_owned(),
            turn: number,
            session: None,
            ended: Vec::new(),
            tally: Tally::default(),
        }
    }

    pub fn act(&mut self, record: &Record) {
        self.turn += 1;
        let Some(session) = self.session.take() else {
            self.session = self.log_in(record);
            return;
        };
        self.session = match self.turn % 8 {
            0 if self.turn.is_multiple_of(16) => self.revoke(record, session),
            0 => self.replay(record, session),
            1 | 5 => Some(self.introspect(record, session)),
            2 | 6 => {
                self.show_what_ended(record, self.turn / 4);
                Some(session)
            }
            _ => self.refresh(record, session),
        };
    }

    /// For when all is well again: what was acknowledged holds.
    pub fn settle(&mut self, record: &Record) {
        for _ in 0..self.servers.len() {
            self.session = self.session.take().and_then(|session| self.refresh(record, session));
            for ended in 0..self.ended.len() {
                self.show_what_ended(record, ended);
            }
        }
    }

    fn log_in(&mut self, record: &Record) -> Option<Session> {
        let client = self.client;
        let form = format!("grant_type=password&client_id={client}&username={USER}&password={PASSWORD}");
        let answer = self.post(record, "/token", &form);
        let [access, token] = tokens(&answer)?;
        Some(Session { tokens: vec![token], access, is_in_doubt: false })
    }

    fn refresh(&mut self, record: &Record, mut session: Session) -> Option<Session> {
        let answer = self.show(record, session.tokens.last().unwrap());
        match (answer.status, tokens(&answer)) {
            (200, Some([access, token])) => {
                self.tally.refreshed += 1;
                session.tokens.push(token);
                session.access = access;
                session.is_in_doubt = false;
                Some(session)
            }
            (503, _) => {
                session.is_in_doubt = true;
                Some(session)
            }
            // The token was spent, and who shows a spent token is taken for a thief.
            (400, _) if session.is_in_doubt && self.client == "strict" => {
                self.tally.lost += 1;
                None
            }
            _ => {
                record.complain(format!("{}: the good token is answered {answer:?}", self.client));
                None
            }
        }
    }

    /// Shows a token that even the lenient client may not show again: that ends the session.
    fn replay(&mut self, record: &Record, session: Session) -> Option<Session> {
        let Some(spent) = session.tokens.len().checked_sub(3) else { return self.refresh(record, session) };
        let answer = self.show(record, &session.tokens[spent]);
        self.end(record, session, &answer, 400)
    }

    fn revoke(&mut self, record: &Record, session: Session) -> Option<Session> {
        let (client, token) = (self.client, session.tokens.last().unwrap());
        let answer = self.post(record, "/revoke", &format!("client_id={client}&token={token}"));
        self.end(record, session, &answer, 200)
    }

    /// A session that a server says has ended has ended for the others, too.
    fn end(&mut self, record: &Record, session: Session, answer: &Answer, done: u16) -> Option<Session> {
        if answer.status == done {
            self.tally.ended += 1;
            self.ended.truncate(MEMORY - 1);
            self.ended.insert(0, session);
            self.show_what_ended(record, 0);
        } else if answer.status != 503 {
            record.complain(format!("{}: an end of a session is answered {answer:?}", self.client));
        }
        None
    }

    fn introspect(&mut self, record: &Record, session: Session) -> Session {
        let answer = self.ask_about(record, &session.access);
        if answer.status != 503 && answer.json["active"] != true && !session.is_in_doubt {
            record.complain(format!("{}: a good token is answered {answer:?}", self.client));
        }
        session
    }

    /// All tokens of an ended session are refused.
    fn show_what_ended(&mut self, record: &Record, which: usize) {
        if self.ended.is_empty() {
            return;
        }
        let session = self.ended.swap_remove(which % self.ended.len());
        for token in [session.tokens.last(), session.tokens.first()].into_iter().flatten() {
            let answer = self.show(record, token);
            self.expect_refusal(record, answer.error() == "invalid_grant", &answer);
        }
        let answer = self.ask_about(record, &session.access);
        self.expect_refusal(record, answer.json["active"] == false, &answer);
        self.ended.push(session);
    }

    fn expect_refusal(&mut self, record: &Record, is_refusal: bool, answer: &Answer) {
        self.tally.refused += usize::from(is_refusal);
        if !is_refusal && answer.status != 503 {
            record.complain(format!("{}: an ended session's token is answered {answer:?}", self.client));
        }
    }

    fn show(&mut self, record: &Record, token: &str) -> Answer {
        let client = self.client;
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
        self.post(record, "/token", &form)
    }

    fn ask_about(&mut self, record: &Record, token: &str) -> Answer {
        let form = question_about(token, &self.secret);
        self.post(record, "/introspect", &form)
    }

    /// To each server in its turn.
    fn post(&mut self, record: &Record, path: &'static str, form: &str) -> Answer {
        self.servers.rotate_left(1);
        let answer = self.servers[0].post(record, path, form);
        self.tally.put_off += usize::from(answer.status == 503);
        answer
    }
}

/// The form in which a resource server with a secret asks about a token.
pub fn question_about(token: &str, secret: &str) -> String {
    format!("client_id={API}&client_secret={secret}&token={token}")
}

fn tokens(answer: &Answer) -> Option<[String; 2]> {
    let text = |name: &str| answer.json[name].as_str().map(str::to_owned);
    Some([text("access_token")?, text("refresh_token")?])
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            refreshed: self.refreshed + other.refreshed,
            ended: self.ended + other.ended,
            refused: self.refused + other.refused,
            put_off: self.put_off + other.put_off,
            lost: self.lost + other.lost,
        }
    }
}
