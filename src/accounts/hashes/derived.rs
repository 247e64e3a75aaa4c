//! PBKDF2 and scrypt, computed by OpenSSL, in passlib's form and in Django's:
//!
//! - `$pbkdf2-sha256$29000$SALT$KEY` (and `-sha512`, and neither for SHA-1), in base64 with `.` for `+` ("ab64")
//! - `pbkdf2_sha256$1000000$SALT$KEY` (and `_sha1`); the salt is the text as it stands
//! - `$scrypt$ln=16,r=8,p=1$SALT$KEY`, in base64 without padding, a PHC string
//! - `scrypt$SALT…`: `scrypt$16384$SALT$8$5$KEY`

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use openssl::hash::MessageDigest;
use subtle::ConstantTimeEq;

use super::limits::{PBKDF2_ITERATIONS, PBKDF2_SHA512_ITERATIONS, SCRYPT_FACTOR, SCRYPT_WORK};
use super::{malformed, number, too_costly};

const UNPADDED: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::RequireNone);
const B64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, UNPADDED);
const AB64: GeneralPurpose = GeneralPurpose::new(&ab64(), UNPADDED);
/// scrypt, beside its two buffers: what OpenSSL may take for itself.
const SPARE: u64 = 64 * 1024;

#[allow(clippy::panic)] // while it is compiled
const fn ab64() -> Alphabet {
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different characters"),
    }
}

/// A key that was derived from a password, and how.
pub struct DerivedKey {
    function: Function,
    salt: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Function {
    Pbkdf2 { digest: fn() -> MessageDigest, iterations: u32 },
    Scrypt { n: u64, r: u64, p: u64 },
}

impl DerivedKey {
    /// None: it is of another kind.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        let fields: Vec<_> = text.split('$').collect();
        let read = match *fields.as_slice() {
            ["", scheme @ ("pbkdf2" | "pbkdf2-sha256" | "pbkdf2-sha512"), iterations, salt, key] => {
                pbkdf2(scheme, iterations, AB64.decode(salt).ok(), AB64.decode(key).ok())
            }
            [scheme @ ("pbkdf2_sha1" | "pbkdf2_sha256"), iterations, salt, key] => {
                pbkdf2(scheme, iterations, Some(salt.into()), BASE64_STANDARD.decode(key).ok())
            }
            ["", "scrypt", costs, salt, key] => scrypt_phc(costs, salt, key),
            ["scrypt", n, salt, r, p, key] => scrypt_of_django(n, salt, r, p, key),
            _ => {
                let scheme = text.trim_start_matches('$');
                let kind = ["pbkdf2", "scrypt"].into_iter().find(|kind| scheme.starts_with(kind))?;
                Err(malformed(kind))
            }
        };
        Some(read)
    }

    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, String> {
        let mut key = vec![0; self.key.len()];
        match self.function {
            Function::Pbkdf2 { digest, iterations } => openssl::pkcs5::pbkdf2_hmac(
                password,
                &self.salt,
                usize::try_from(iterations).map_err(|error| error.to_string())?,
                digest(),
                &mut key,
            ),
            Function::Scrypt { n, r, p } => {
                let memory = 128 * r * (n + p) + SPARE + 128 * r;
                openssl::pkcs5::scrypt(password, &self.salt, n, r, p, memory, &mut key)
            }
        }
        .map_err(|error| error.to_string())?;
        Ok(key.ct_eq(&self.key).into())
    }

    pub(super) fn memory_kib(&self) -> u32 {
        match self.function {
            Function::Pbkdf2 { .. } => 0,
            Function::Scrypt { n, r, p } => u32::try_from((r * (n + p)).div_ceil(8)).unwrap_or(u32::MAX),
        }
    }
}

fn pbkdf2(
    scheme: &str,
    iterations: &str,
    salt: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
) -> Result<DerivedKey, String> {
    let wrong = || malformed("PBKDF2");
    let (digest, length, most): (fn() -> MessageDigest, usize, u32) = match scheme {
        "pbkdf2-sha512" => (MessageDigest::sha512, 64, PBKDF2_SHA512_ITERATIONS),
        "pbkdf2-sha256" | "pbkdf2_sha256" => (MessageDigest::sha256, 32, PBKDF2_ITERATIONS),
        _ => (MessageDigest::sha1, 20, PBKDF2_ITERATIONS),
    };
    let iterations = number(iterations).filter(|number| *number > 0).ok_or_else(wrong)?;
    if iterations > most {
        return Err(too_costly("PBKDF2", "iterations", iterations.into(), most.into()));
    }
    let key = key.filter(|key| key.len() == length).ok_or_else(wrong)?;
    Ok(DerivedKey { function: Function::Pbkdf2 { digest, iterations }, salt: salt.ok_or_else(wrong)?, key })
}

fn scrypt_phc(costs: &str, salt: &str, key: &str) -> Result<DerivedKey, String> {
    let costs: Vec<_> = costs.split([',', '=']).collect();
    let &["ln", ln, "r", r, "p", p] = costs.as_slice() else { return Err(malformed("scrypt")) };
    let n = number(ln).and_then(|ln| 1_u64.checked_shl(ln));
    scrypt(n, number(r), number(p), B64.decode(salt).ok(), B64.decode(key).ok())
}

fn scrypt_of_django(n: &str, salt: &str, r: &str, p: &str, key: &str) -> Result<DerivedKey, String> {
    let n = number(n).map(u64::from);
    scrypt(n, number(r), number(p), Some(salt.into()), BASE64_STANDARD.decode(key).ok())
}

fn scrypt(
    n: Option<u64>,
    r: Option<u32>,
    p: Option<u32>,
    salt: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
) -> Result<DerivedKey, String> {
    let (Some(n), Some(r), Some(p), Some(salt), Some(key)) = (n, r, p, salt, key) else {
        return Err(malformed("scrypt"));
    };
    let (r, p) = (u64::from(r), u64::from(p));
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 || !matches!(key.len(), 32 | 64) {
        return Err(malformed("scrypt"));
    }
    for (factor, name) in [(r, "r"), (p, "p")] {
        if factor > SCRYPT_FACTOR {
            return Err(too_costly("scrypt", name, factor, SCRYPT_FACTOR));
        }
    }
    let work = n.saturating_mul(r * p);
    if work > SCRYPT_WORK {
        return Err(too_costly("scrypt", "N × r × p", work, SCRYPT_WORK));
    }
    Ok(DerivedKey { function: Function::Scrypt { n, r, p }, salt, key })
}
