//! Section `keys`.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::reader::Reader;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The signing keys' life.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Holds the master keys; created on the first start.
    pub master_key_file: PathBuf,
    /// The master keys themselves, instead of the file.
    pub master_key: Option<SecretString>,
    /// Size of a new RSA key.
    pub rsa_bits: usize,
    /// How long a key is published before it may sign.
    pub propagation_time: Duration,
    /// How long a retired key stays published.
    pub retention: Duration,
    /// How often an instance looks for a changed ring.
    pub reload_interval: Duration,
}

impl KeySettings {
    /// The longest that an access token may live. A retired key may sign for as long as an instance takes to notice,
    /// and must stay published while the tokens that it signed live, by anybody's clock.
    pub fn longest_token(&self) -> Duration {
        self.retention.saturating_sub(self.reload_interval + super::CLOCK_SKEW)
    }

    pub(super) fn read(reader: &mut Reader) -> Self {
        let master_key_file: PathBuf = reader.text("keys.master_key_file").unwrap_or_default().into();
        let rsa_bits = reader.parsed("keys.rsa_bits", "2048, 3072 or 4096").unwrap_or(2048);
        if master_key_file == PathBuf::new() {
            reader.fault("keys.master_key_file", "must name a file".to_owned());
        }
        if ![2048, 3072, 4096].contains(&rsa_bits) {
            reader.fault("keys.rsa_bits", format!("must be 2048, 3072 or 4096, not {rsa_bits}"));
        }
        Self {
            master_key_file,
            master_key: reader.secret("keys.master_key"),
            rsa_bits,
            propagation_time: reader.duration("keys.propagation_time", SECOND, YEAR),
            retention: reader.duration("keys.retention", SECOND, YEAR),
            reload_interval: reader.duration("keys.reload_interval", SECOND, Duration::from_secs(3600)),
        }
    }
}
