//! Section `server`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

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
    /// How long requests under way may take to finish.
    pub shutdown_timeout: Duration,
    /// Origins whose pages may call the token endpoints.
    pub cors_origins: Vec<String>,
}

impl ServerSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let settings = Self {
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
            shutdown_timeout: reader.duration(
                "server.shutdown_timeout",
                Duration::ZERO,
                Duration::from_secs(3600),
            ),
            cors_origins: reader.list("server.cors_origins"),
        };
        for origin in &settings.cors_origins {
            let canonical = url::Url::parse(origin).map(|url| url.origin().ascii_serialization());
            if canonical.as_ref() != Ok(origin) {
                let problem = format!("must hold origins such as https://app.example.com, not \"{origin}\"");
                reader.fault("server.cors_origins", problem);
            }
        }
        settings
    }
}
