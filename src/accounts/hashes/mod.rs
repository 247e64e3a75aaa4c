//! Stored password hashes: Argon2, which is made here, and what other systems made of their users' passwords. Called by
//! the hashing threads, which replace the latter at the first login, and by the import, which lets in nothing that a
//! login could not be held against. What a hash may cost is bounded, because it comes from outside.

mod argon2;
mod bcrypt;
mod derived;
mod limits;
mod sha_crypt;

pub use limits::Limits;

use argon2::Argon2Hash;
use bcrypt::BcryptHash;
use derived::DerivedKey;
use sha_crypt::ShaCryptHash;

/// More is no hash.
const MAX_BYTES: usize = 512;
/// For whoever wonders what is accepted.
const KINDS: &str = "the password hash is of no kind that is read here: Argon2, bcrypt, PBKDF2, scrypt and SHA-crypt as \
                     passlib writes them, and as Django does";

/// A hash that passwords can be held against. Not `Debug`: it is a secret.
pub enum StoredHash {
    /// Argon2id, Argon2i or Argon2d.
    Argon2(Box<Argon2Hash>),
    /// bcrypt of the password, or of its SHA-256.
    Bcrypt(BcryptHash),
    /// PBKDF2 or scrypt.
    Derived(DerivedKey),
    /// SHA-256 or SHA-512 crypt.
    ShaCrypt(ShaCryptHash),
    /// No password is the right one.
    Unusable,
}

impl StoredHash {
    /// Reads a hash. A refusal tells no part of it.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the password hash is longer than {MAX_BYTES} bytes"));
        }
        // Django's marks of its own stand in front of the form that others share.
        if text.starts_with("$argon2") || text.starts_with("argon2$") {
            let phc = text.strip_prefix("argon2").unwrap_or(text);
            return Argon2Hash::parse(phc, limits).map(|hash| Self::Argon2(Box::new(hash)));
        }
        if let Some(hash) = BcryptHash::parse(text) {
            return hash.map(Self::Bcrypt);
        }
        if let Some(hash) = DerivedKey::parse(text) {
            return hash.map(Self::Derived);
        }
        match text.as_bytes() {
            [b'$', b'5' | b'6', b'$', ..] => ShaCryptHash::parse(text).map(Self::ShaCrypt),
            // As Django and /etc/shadow mark an account that has no password.
            [b'!' | b'*', ..] => Ok(Self::Unusable),
            _ => Err(KINDS.to_owned()),
        }
    }

    /// Whether this is the password's hash.
    pub fn matches(&self, password: &[u8]) -> Result<bool, String> {
        match self {
            Self::Argon2(hash) => Ok(hash.matches(password)),
            Self::Bcrypt(hash) => hash.matches(password),
            Self::Derived(key) => key.matches(password),
            Self::ShaCrypt(hash) => Ok(hash.matches(password)),
            Self::Unusable => Ok(false),
        }
    }

    /// The memory that it takes to find out.
    pub fn memory_kib(&self) -> u32 {
        match self {
            Self::Argon2(hash) => hash.memory_kib(),
            Self::Derived(key) => key.memory_kib(),
            Self::Bcrypt(_) | Self::ShaCrypt(_) | Self::Unusable => 0,
        }
    }
}

/// A decimal number without a sign, as hashes have them.
fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A hash whose beginning says what it is, but whose rest does not.
fn malformed(kind: &str) -> String {
    format!("the {kind} hash is malformed")
}

/// A hash that would cost too much.
fn too_costly(kind: &str, what: &str, given: u64, most: u64) -> String {
    format!("the {kind} hash costs too much: its {what}, {given}, is more than {most}")
}

#[cfg(test)]
mod tests;
