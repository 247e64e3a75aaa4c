//! What the hashing threads do: make Argon2id hashes, and hold passwords against stored ones.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

use super::hashes::{Limits, StoredHash};
use super::memory::Memory;
use super::password::{HashError, Password, Verdict};
use crate::config::PasswordSettings;

/// What all threads share.
pub(super) struct Engine {
    argon2: Argon2<'static>,
    limits: Limits,
    memory: Memory,
    /// Verified where there is no hash to verify.
    decoy: StoredHash,
}

impl Engine {
    pub(super) fn new(settings: &PasswordSettings) -> Result<Self, HashError> {
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
        let limits = Limits::of_login(settings);
        let decoy = StoredHash::parse(&hash(&argon2, b"nobody's password")?, &limits).map_err(failed)?;
        // Enough for any hash that was imported, one at a time.
        let ours = settings.memory_kib.saturating_mul(settings.max_concurrent);
        let memory = Memory::new(ours.max(Limits::of_import(settings).argon2_kib));
        Ok(Self { argon2, limits, memory, decoy })
    }

    pub(super) fn hash(&self, password: &Password) -> Result<String, HashError> {
        let _lease = self.memory.take(self.argon2.params().m_cost());
        hash(&self.argon2, password.normalised())
    }

    /// None, for an unknown user, costs as much as a hash of ours, and never matches.
    pub(super) fn verify(&self, password: &Password, stored: Option<&str>) -> Result<Verdict, HashError> {
        let parsed = stored.map(|text| StoredHash::parse(text, &self.limits)).transpose().map_err(failed)?;
        let (Some(parsed), false) = (&parsed, matches!(parsed, Some(StoredHash::Unusable))) else {
            self.matches(&self.decoy, password)?;
            return Ok(Verdict::Differs);
        };
        let matches = self.matches(parsed, password)?;
        // Another hash than ours costs one of ours too, right or wrong: less would tell that the account exists.
        let upgrade = if self.is_current(parsed) { None } else { Some(self.hash(password)?) };
        Ok(if matches { Verdict::Matches { upgrade } } else { Verdict::Differs })
    }

    fn matches(&self, stored: &StoredHash, password: &Password) -> Result<bool, HashError> {
        let _lease = self.memory.take(stored.memory_kib());
        for form in password.forms() {
            if stored.matches(form).map_err(failed)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn is_current(&self, stored: &StoredHash) -> bool {
        matches!(stored, StoredHash::Argon2(hash) if hash.is_like(self.argon2.params()))
    }
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, HashError> {
    Ok(argon2.hash_password(password).map_err(failed)?.to_string())
}

fn failed(error: impl ToString) -> HashError {
    HashError::Failed(error.to_string())
}
