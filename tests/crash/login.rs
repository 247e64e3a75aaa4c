//! A client's side of a login: every refresh token it got, whether it was exchanged, and whether the answer came.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::process::http::Connection;

pub const USER: &str = "alice";
pub const PASSWORD: &str = "secret";

/// Whether a spent token yields its successor again for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leeway {
    Strict,
    Lenient,
}

impl Leeway {
    /// The client that is set so.
    pub const fn client(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lenient => "lenient",
        }
    }
}

/// What came of presenting a token.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Successor(String),
    InvalidGrant,
    /// Nothing was done.
    Unavailable,
    /// A proxy got no answer: the token may have been exchanged.
    Lost,
}

/// One login as its client remembers it.
pub struct Login {
    pub leeway: Leeway,
    pub sid: String,
    /// By generation. All but the last were answered as spent.
    pub tokens: Vec<String>,
    /// The last token was presented, and no answer came.
    pub unanswered: bool,
    /// The generation at which its session was closed, because a spent token was presented.
    pub closed: Option<usize>,
}

impl Login {
    pub fn open(connection: &mut Connection, leeway: Leeway) -> Self {
        Self::open_as(USER, connection, leeway)
    }

    pub fn open_as(user: &str, connection: &mut Connection, leeway: Leeway) -> Self {
        let client = leeway.client();
        let form = format!("grant_type=password&client_id={client}&username={user}&password={PASSWORD}");
        let answer = connection.post("/token", &form).unwrap().json();
        let access_token = answer["access_token"].as_str().unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(access_token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        Self {
            leeway,
            sid: claims["sid"].as_str().unwrap().to_owned(),
            tokens: vec![answer["refresh_token"].as_str().unwrap().to_owned()],
            unanswered: false,
            closed: None,
        }
    }

    /// As far as the client knows.
    pub fn generation(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Generation and state as the database must have them.
    pub fn expected_row(&self) -> (usize, &'static str) {
        self.closed.map_or((self.generation(), "open"), |generation| (generation, "closed"))
    }

    /// Exchanges the token of a generation. An error means that there was no answer.
    pub fn present(&self, connection: &mut Connection, generation: usize) -> std::io::Result<Outcome> {
        let (client, token) = (self.leeway.client(), &self.tokens[generation]);
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
        let answer = connection.post("/token", &form)?;
        let json = answer.json();
        Ok(match (answer.status, json["error"].as_str()) {
            (200, None) => Outcome::Successor(json["refresh_token"].as_str().unwrap().to_owned()),
            (400, Some("invalid_grant")) => Outcome::InvalidGrant,
            (503, _) => Outcome::Unavailable,
            (502 | 504, _) => Outcome::Lost,
            (status, _) => panic!("{status} {json}"),
        })
    }

    /// Refreshes on and on, until the server is gone.
    pub fn refresh_until_cut_off(&mut self, address: SocketAddr, acknowledged: &Sender<()>) {
        let Ok(mut connection) = Connection::open(address) else { return };
        loop {
            match self.present(&mut connection, self.generation()) {
                Ok(Outcome::Successor(successor)) => {
                    self.tokens.push(successor);
                    let _ = acknowledged.send(());
                }
                Ok(Outcome::Unavailable) => {}
                Ok(Outcome::InvalidGrant) => panic!("{}: the good token is refused", self.sid),
                Ok(Outcome::Lost) | Err(_) => {
                    self.unanswered = true;
                    return;
                }
            }
        }
    }
}
