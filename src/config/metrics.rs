//! Section `metrics`.

use std::net::SocketAddr;

use super::reader::Reader;

/// Where metrics are served.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// Address and port; none: nowhere.
    pub bind: Option<SocketAddr>,
}

impl MetricsSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { bind: reader.parsed("metrics.bind", "an address and port such as 127.0.0.1:9090") }
    }
}
