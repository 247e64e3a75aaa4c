//! SHA-crypt: `$5$rounds=535000$SALT$DIGEST` (SHA-256) and `$6$…` (SHA-512), as in /etc/shadow and from passlib.

use sha_crypt::{PasswordVerifier, ShaCrypt};

use super::limits::{SHA_CRYPT_BYTES, SHA_CRYPT_ROUND, SHA_CRYPT_ROUNDS};
use super::{malformed, number, too_costly};

/// Where none is written.
const DEFAULT_ROUNDS: u32 = 5000;
/// crypt(3) raises fewer to this, and writes it.
const MIN_ROUNDS: u32 = 1000;
const MAX_SALT: usize = 16;
/// By value.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A readable hash.
pub struct ShaCryptHash {
    text: String,
    rounds: u32,
}

impl ShaCryptHash {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || malformed("SHA-crypt");
        let fields: Vec<_> = text.split('$').collect();
        let (kind, rounds, salt, digest) = match *fields.as_slice() {
            ["", kind, salt, digest] => (kind, DEFAULT_ROUNDS, salt, digest),
            ["", kind, rounds, salt, digest] => {
                let rounds = rounds.strip_prefix("rounds=").and_then(number);
                (kind, rounds.filter(|rounds| *rounds >= MIN_ROUNDS).ok_or_else(wrong)?, salt, digest)
            }
            _ => return Err(wrong()),
        };
        // The last digit has what is left of 256 and 512 bits: four and two of six.
        let (length, last) = if kind == "5" { (43, &DIGITS[..16]) } else { (86, &DIGITS[..4]) };
        let is_digits = |text: &str| text.bytes().all(|byte| DIGITS.contains(&byte));
        if !(1..=MAX_SALT).contains(&salt.len())
            || digest.len() != length
            || !is_digits(salt)
            || !is_digits(digest)
            || !digest.ends_with(|digit: char| digit.is_ascii() && last.contains(&(digit as u8)))
        {
            return Err(wrong());
        }
        if rounds > SHA_CRYPT_ROUNDS {
            return Err(too_costly("SHA-crypt", "rounds", rounds.into(), SHA_CRYPT_ROUNDS.into()));
        }
        Ok(Self { text: text.to_owned(), rounds })
    }

    pub(super) fn matches(&self, password: &[u8]) -> bool {
        let round = u64::try_from(password.len()).unwrap_or(u64::MAX).saturating_add(SHA_CRYPT_ROUND);
        // crypt(3) reads no further than a NUL, and passlib refuses it.
        let refused = password.contains(&0) || round.saturating_mul(self.rounds.into()) > SHA_CRYPT_BYTES;
        !refused && ShaCrypt::default().verify_password(password, self.text.as_str()).is_ok()
    }
}
