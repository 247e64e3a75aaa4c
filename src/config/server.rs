//! Section `server`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::reader::Reader;

/// Where to listen and whom to let in.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Address and port.
    pub bind: SocketAddr,
    /// How long a client may take to send a head, and then a body.
    pub request_timeout: Duration,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// Connections open at once.
    pub max_connections: u32,
    /// How long everybody is still answered, and told to go, before no connection is accepted any more.
    pub drain_time: Duration,
    /// How long requests under way may take to finish.
    pub shutdown_timeout: Duration,
    /// Origins whose pages may call the token endpoints.
    pub cors_origins: Vec<String>,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they give it.
    pub forwarded_header: ForwardedHeader,
}

/// The header in which a proxy says whom it asks for. Only one is read: a proxy passes on what clients put into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// RFC 7239.
    Forwarded,
    /// What most proxies set.
    XForwardedFor,
}

impl FromStr for ForwardedHeader {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name.to_ascii_lowercase().as_str() {
            "forwarded" => Ok(Self::Forwarded),
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            _ => Err(()),
        }
    }
}

impl ServerSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            bind: reader
                .parsed("server.bind", "an address and port such as 127.0.0.1:8080")
                .unwrap_or(nowhere),
            request_timeout: reader.duration(
                "server.request_timeout",
                Duration::from_secs(1),
                Duration::from_secs(3600),
            ),
            keep_alive: reader.duration(
                "server.keep_alive",
                Duration::from_secs(1),
                Duration::from_secs(3600),
            ),
            max_connections: reader.number("server.max_connections", 1, 1_000_000).unwrap_or(1),
            drain_time: reader.duration("server.drain_time", Duration::ZERO, Duration::from_secs(3600)),
            shutdown_timeout: reader.duration(
                "server.shutdown_timeout",
                Duration::ZERO,
                Duration::from_secs(3600),
            ),
            cors_origins: reader.origins("server.cors_origins"),
            trusted_proxies: networks(reader, "server.trusted_proxies"),
            forwarded_header: reader
                .parsed("server.forwarded_header", "X-Forwarded-For or Forwarded")
                .unwrap_or(ForwardedHeader::XForwardedFor),
        }
    }
}

/// Addresses and networks.
fn networks(reader: &mut Reader, key: &str) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in reader.list(key) {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        networks.extend(network.as_ref().ok());
        if network.is_err() {
            let problem =
                format!("must hold addresses and networks such as 10.0.0.5 and 10.1.0.0/16, not \"{text}\"");
            reader.fault(key, problem);
        }
    }
    networks
}
