//! What a hash of another system may cost: about a second of one core, and a bounded piece of memory. docs/import.md has
//! this table, too.

use crate::config::PasswordSettings;

/// bcrypt's is the exponent of two.
pub(super) const BCRYPT_COST: u32 = 14;
/// PBKDF2 with SHA-1 and SHA-256.
pub(super) const PBKDF2_ITERATIONS: u32 = 2_000_000;
/// PBKDF2 with SHA-512.
pub(super) const PBKDF2_SHA512_ITERATIONS: u32 = 1_000_000;
/// scrypt: N × r × p, of which N × r is memory in units of 128 bytes.
pub(super) const SCRYPT_WORK: u64 = 1 << 20;
/// scrypt: r and p each.
pub(super) const SCRYPT_FACTOR: u64 = 64;
/// SHA-crypt.
pub(super) const SHA_CRYPT_ROUNDS: u32 = 1_000_000;
/// SHA-crypt hashes the password again in every round: rounds × (password + this) …
pub(super) const SHA_CRYPT_ROUND: u64 = 64;
/// … is no more than this many bytes; a password that is too long for its rounds matches nothing.
pub(super) const SHA_CRYPT_BYTES: u64 = 150_000_000;

/// What Argon2 may cost, which depends on what it costs here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory.
    pub argon2_kib: u32,
    /// Memory × passes.
    pub argon2_work: u64,
}

/// Of a hash from outside: 128 MiB, and five passes over 100 MiB.
const OUTSIDE: Limits = Limits { argon2_kib: 128 * 1024, argon2_work: 512 * 1024 };
/// Of a hash that may have been made here, when the settings were others.
const FORMER: Limits = Limits { argon2_kib: 1024 * 1024, argon2_work: 2 * 1024 * 1024 };

impl Limits {
    /// For what is let in.
    pub fn of_import(settings: &PasswordSettings) -> Self {
        OUTSIDE.or_as_set(settings)
    }

    /// For what is there already.
    pub fn of_login(settings: &PasswordSettings) -> Self {
        FORMER.or_as_set(settings)
    }

    fn or_as_set(self, settings: &PasswordSettings) -> Self {
        let work = u64::from(settings.memory_kib) * u64::from(settings.iterations);
        Self { argon2_kib: self.argon2_kib.max(settings.memory_kib), argon2_work: self.argon2_work.max(work) }
    }
}
