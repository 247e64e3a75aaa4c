//! Client ids and secrets: generated from `[A-Za-z0-9]` alone, so that raw and form-encoded Basic credentials are the
//! same text; stored as SHA-256, which suffices for a secret that cannot be guessed.

use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// 43 characters of 62: 256 bits.
const SECRET_LENGTH: usize = 43;
/// 22 characters of 62: 130 bits.
const ID_LENGTH: usize = 22;

/// A new client id.
pub fn generate_id() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), ID_LENGTH)
}

/// A new client secret.
pub fn generate_secret() -> SecretString {
    Alphanumeric.sample_string(&mut rand::rng(), SECRET_LENGTH).into()
}

/// The stored form of a client secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash")
    }
}

impl SecretHash {
    /// Hashes a secret.
    pub fn of(secret: &SecretString) -> Self {
        Self(Sha256::digest(secret.expose_secret()).into())
    }

    /// From the stored bytes; none when they are no SHA-256 hash.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// For storing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the secret, compared in constant time.
    pub fn matches(&self, secret: &SecretString) -> bool {
        self.0.ct_eq(&Self::of(secret).0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_at_least_190_bits_in_letters_and_digits() {
        let secret = generate_secret();
        let text = secret.expose_secret();
        assert!(text.chars().all(|c| c.is_ascii_alphanumeric()));
        assert!(text.len() * 595 / 100 >= 190); // log2(62) is a little more than 5.95
        assert_ne!(text, generate_secret().expose_secret());
        assert!(SecretHash::of(&secret).matches(&secret));
        assert!(!SecretHash::of(&secret).matches(&generate_secret()));
    }
}
