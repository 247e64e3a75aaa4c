//! A minimal HTTP/1.1 client: one keep-alive connection that blocks. Small, so that a benchmark measures the server
//! and not the client, and plain, so that a crash test knows what was sent and what was answered.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer silence is a failure, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// One connection.
pub struct Connection {
    stream: TcpStream,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// One answer, all of it.
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a str,
    pub body: &'a [u8],
}

impl Answer<'_> {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, sent: Vec::new(), received: Vec::new() })
    }

    pub fn get(&mut self, path: &str) -> Result<Answer<'_>> {
        self.sent.clear();
        write!(self.sent, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        self.exchange()
    }

    /// Posts a form that is encoded already.
    pub fn post(&mut self, path: &str, form: &str) -> Result<Answer<'_>> {
        self.sent.clear();
        let length = form.len();
        write!(
            self.sent,
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{form}"
        )?;
        self.exchange()
    }

    /// An error means that there was no whole answer: the server may have done what was asked, or not.
    fn exchange(&mut self) -> Result<Answer<'_>> {
        self.stream.write_all(&self.sent)?;
        self.received.clear();
        let head = loop {
            if let Some(end) = find(&self.received, END_OF_HEAD) {
                break end + END_OF_HEAD.len();
            }
            self.receive()?;
        };
        let malformed = || Error::new(ErrorKind::InvalidData, "not an HTTP answer");
        let text = std::str::from_utf8(&self.received[..head]).map_err(|_| malformed())?;
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
        let length = content_length(text).ok_or_else(malformed)?;
        while self.received.len() < head + length {
            self.receive()?;
        }
        let (head, body) = self.received.split_at(head);
        Ok(Answer { status, head: std::str::from_utf8(head).unwrap_or_default(), body })
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }
}

fn content_length(head: &str) -> Option<usize> {
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    };
    head.lines().find_map(value)
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}
