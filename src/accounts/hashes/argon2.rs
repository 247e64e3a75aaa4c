//! Argon2 as a PHC string: what is made here, by argon2-cffi, passlib and PHP, and, but for a word in front, by Django.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};

use super::{Limits, malformed, too_costly};

/// A shorter digest would let too many passwords in.
const MIN_DIGEST: usize = 16;

/// A readable PHC string of Argon2.
pub struct Argon2Hash {
    phc: PasswordHash,
    params: Params,
}

impl Argon2Hash {
    pub(super) fn parse(text: &str, limits: &Limits) -> Result<Self, String> {
        let wrong = || malformed("Argon2");
        let phc = PasswordHash::new(text).map_err(|_| wrong())?;
        Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| wrong())?;
        // The library would take a missing version for 19, where it means 16.
        phc.version.and_then(|version| Version::try_from(version).ok()).ok_or_else(wrong)?;
        let params = Params::try_from(&phc).map_err(|_| wrong())?;
        if phc.salt.is_none() || phc.hash.as_ref().is_none_or(|digest| digest.len() < MIN_DIGEST) {
            return Err(wrong());
        }
        let (memory, passes) = (u64::from(params.m_cost()), u64::from(params.t_cost()));
        if params.m_cost() > limits.argon2_kib {
            return Err(too_costly("Argon2", "memory in KiB", memory, limits.argon2_kib.into()));
        }
        if memory * passes > limits.argon2_work {
            return Err(too_costly("Argon2", "memory in KiB × passes", memory * passes, limits.argon2_work));
        }
        Ok(Self { phc, params })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        // The costs are the hash's own.
        Argon2::default().verify_password(password, &self.phc).is_ok()
    }

    pub(super) fn memory_kib(&self) -> u32 {
        self.params.m_cost()
    }

    /// Whether it is what `wanted` makes.
    pub fn is_like(&self, wanted: &Params) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        self.phc.algorithm == Algorithm::Argon2id.ident()
            && self.phc.version == Some(Version::V0x13.into())
            && self.params.output_len() == Some(Params::DEFAULT_OUTPUT_LEN)
            && costs(&self.params) == costs(wanted)
    }
}
