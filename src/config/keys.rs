//! Section `keys`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::JwksSettings;
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
    /// Of new keys.
    pub algorithm: Algorithm,
    /// Size of a new RSA key.
    pub rsa_bits: usize,
    /// How long a key is published before it may sign: as set, or what verifiers can be without it and a second, which
    /// a time in whole seconds may be early by.
    pub propagation_time: Duration,
    /// How long a key signs before a server rotates it; zero: no server does.
    pub rotation_interval: Duration,
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

    pub(super) fn read(reader: &mut Reader, jwks: &JwksSettings) -> Self {
        let master_key_file: PathBuf = reader.text("keys.master_key_file").unwrap_or_default().into();
        let rsa_bits = reader.parsed("keys.rsa_bits", "2048, 3072 or 4096").unwrap_or(2048);
        if master_key_file == PathBuf::new() {
            reader.fault("keys.master_key_file", "must name a file".to_owned());
        }
        if ![2048, 3072, 4096].contains(&rsa_bits) {
            reader.fault("keys.rsa_bits", format!("must be 2048, 3072 or 4096, not {rsa_bits}"));
        }
        let mut settings = Self {
            master_key_file,
            master_key: reader.secret("keys.master_key"),
            algorithm: reader.parsed("keys.algorithm", "RS256, PS256, ES256 or EdDSA").unwrap_or_default(),
            rsa_bits,
            propagation_time: reader.duration("keys.propagation_time", SECOND, YEAR),
            rotation_interval: reader.duration("keys.rotation_interval", Duration::ZERO, 10 * YEAR),
            retention: reader.duration("keys.retention", SECOND, YEAR),
            reload_interval: reader.duration("keys.reload_interval", SECOND, Duration::from_secs(3600)),
        };
        let scheduled = settings.rotation_interval > Duration::ZERO;
        if scheduled && settings.rotation_interval < settings.propagation_time {
            let problem = "must be at least keys.propagation_time, or 0s to rotate by hand only".to_owned();
            reader.fault("keys.rotation_interval", problem);
        }
        let unseen = jwks.max_age + settings.reload_interval;
        if settings.propagation_time < unseen {
            let unseen = humantime::format_duration(unseen);
            let problem = format!(
                "must be at least jwks.max_age + keys.reload_interval ({unseen}), or a key would sign before verifiers can know it"
            );
            reader.fault("keys.propagation_time", problem);
        }
        settings.propagation_time = settings.propagation_time.max(unseen + SECOND);
        settings
    }
}

/// What a key signs with (RFC 7518 section 3.1, RFC 8037).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256: every verifier knows it.
    #[default]
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Rs256, Self::Ps256, Self::Es256, Self::EdDsa];

    /// The JWS `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        known.ok_or_else(|| format!("{text:?} is not RS256, PS256, ES256 or EdDSA"))
    }
}
