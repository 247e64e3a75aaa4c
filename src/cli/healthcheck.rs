//! `chancery healthcheck`: for containers that have no curl.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::config::{Settings, Sources};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Ask the server on this machine whether it is ready.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Ask here instead of at `server.bind`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
}

impl Healthcheck {
    pub(super) fn run(self, sources: &Sources) -> Result<(), Failure> {
        let address = match self.address {
            Some(address) => address,
            None => reachable(Settings::load(sources)?.server.bind),
        };
        match ask(address) {
            Ok(status) if status.contains(" 200 ") => Ok(()),
            Ok(status) => Err(Failure::Failed(format!("{address} answers: {status}"))),
            Err(cause) => Err(Failure::Failed(format!("{address} does not answer: {cause}"))),
        }
    }
}

/// A server that listens on every address listens on loopback.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let address = match bind.ip() {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    };
    SocketAddr::new(address, bind.port())
}

/// The status line of `GET /readyz`.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut start = Vec::new();
    stream.take(512).read_to_end(&mut start)?;
    Ok(String::from_utf8_lossy(&start).lines().next().unwrap_or_default().to_owned())
}
