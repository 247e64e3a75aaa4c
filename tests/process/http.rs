//! A minimal HTTP/1.1 client: one keep-alive connection that blocks. Small, so that a benchmark measures the server
//! and not the client, and plain, so that a crash test knows what was sent and what was answered.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer silence is a failure, not a wait.
const PATIENCE: Duration = Duration::from_secs(60);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// One connection. When the server has said that it closes it, the next request goes over a new one.
pub struct Connection {
    address: SocketAddr,
    stream: TcpStream,
    is_over: bool,
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
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.body).unwrap_or_default()
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = connect(address)?;
        Ok(Self { address, stream, is_over: false, sent: Vec::new(), received: Vec::new() })
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
        if self.is_over {
            self.stream = connect(self.address)?;
        }
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
        let length = header(text, "content-length").and_then(|value| value.parse().ok());
        let length: usize = length.ok_or_else(malformed)?;
        self.is_over = header(text, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        while self.received.len() < head + length {
            self.receive()?;
        }
        let (head, body) = self.received.split_at(head);
        Ok(Answer { status, head: std::str::from_utf8(head).unwrap_or_default(), body })
    }

    fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            // A read with a timeout is not taken up again when the process was frozen and thawed (signal(7)).
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    };
    head.lines().find_map(value)
}

fn find(text: &[u8], pattern: &[u8]) -> Option<usize> {
    text.windows(pattern.len()).position(|window| window == pattern)
}
