//! A client that notes what every answer cost, and complains about those that no fault excuses.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::clock::now;
use crate::process::http::Connection;

/// What a fault excuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excuse {
    Nothing,
    /// `503`, for now.
    Outage,
}

/// One answer.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub path: &'static str,
    pub at: Instant,
    pub took: Duration,
    pub status: u16,
}

/// What all clients saw.
pub struct Record {
    excuse: Excuse,
    samples: Mutex<Vec<Sample>>,
    complaints: Mutex<Vec<String>>,
}

impl Record {
    pub fn new(excuse: Excuse) -> Self {
        Self { excuse, samples: Mutex::default(), complaints: Mutex::default() }
    }

    pub fn complain(&self, complaint: String) {
        self.complaints.lock().unwrap().push(complaint);
    }

    /// Fails when somebody complained.
    pub fn check(&self) {
        let complaints = self.complaints.lock().unwrap();
        let first = &complaints[..complaints.len().min(20)];
        assert!(complaints.is_empty(), "{} complaints, of which the first: {first:#?}", complaints.len());
    }

    /// The answers that came in between.
    pub fn between(&self, start: Instant, end: Instant) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap();
        let answered = |sample: &&Sample| (start..end).contains(&(sample.at + sample.took));
        samples.iter().filter(answered).copied().collect()
    }

    pub fn all(&self) -> Vec<Sample> {
        self.samples.lock().unwrap().clone()
    }

    fn note(&self, sample: Sample, answer: &Answer) {
        self.samples.lock().unwrap().push(sample);
        let is_excused = match sample.status {
            503 if sample.path == "/readyz" => true,
            503 => self.excuse == Excuse::Outage && answer.is_a_good_refusal(),
            status => (200..500).contains(&status),
        };
        if !is_excused {
            self.complain(format!("{sample:?} {answer:?}"));
        }
    }
}

/// One answer, all of it.
#[derive(Debug, Default)]
pub struct Answer {
    /// 0: none.
    pub status: u16,
    pub tells_when_to_retry: bool,
    pub json: Value,
}

impl Answer {
    pub fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }

    /// The `503` of an endpoint: what it is, and when to come again.
    pub fn is_a_good_refusal(&self) -> bool {
        self.status == 503 && self.tells_when_to_retry && self.error() == "temporarily_unavailable"
    }
}

/// One client of one server.
pub struct Client {
    pub address: SocketAddr,
    connection: Option<Connection>,
}

impl Client {
    pub fn of(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    pub fn get(&mut self, record: &Record, path: &'static str) -> Answer {
        self.ask(record, path, |connection| answer(connection.get(path)))
    }

    /// Posts a form that is encoded already.
    pub fn post(&mut self, record: &Record, path: &'static str, form: &str) -> Answer {
        self.ask(record, path, |connection| answer(connection.post(path, form)))
    }

    fn ask(
        &mut self,
        record: &Record,
        path: &'static str,
        exchange: impl FnOnce(&mut Connection) -> std::io::Result<Answer>,
    ) -> Answer {
        let at = now();
        let connection = self.connection.take().map_or_else(|| Connection::open(self.address), Ok);
        let answer = connection.and_then(|mut connection| {
            let answer = exchange(&mut connection)?;
            self.connection = Some(connection);
            Ok(answer)
        });
        let answer =
            answer.unwrap_or_else(|failure| Answer { json: failure.to_string().into(), ..Answer::default() });
        record.note(Sample { path, at, took: now() - at, status: answer.status }, &answer);
        answer
    }
}

fn answer(answer: std::io::Result<crate::process::http::Answer<'_>>) -> std::io::Result<Answer> {
    let answer = answer?;
    let tells_when_to_retry = answer.header("retry-after").is_some();
    Ok(Answer { status: answer.status, tells_when_to_retry, json: answer.json() })
}
