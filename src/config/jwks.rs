//! Section `jwks`.

use std::time::Duration;

use super::reader::Reader;

/// How verifiers may cache the keys.
#[derive(Clone, Debug)]
pub struct JwksSettings {
    /// The JWKS's `max-age`.
    pub max_age: Duration,
}

impl JwksSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { max_age: reader.duration("jwks.max_age", Duration::ZERO, day) }
    }
}
