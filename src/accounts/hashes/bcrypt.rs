//! bcrypt: `$2a$`, `$2b$` and `$2y$` are one algorithm under three names, given by those who had mended three different
//! errors. `$2x$` marks hashes that PHP's error made, and is not read. Django puts `bcrypt$` in front, and
//! `bcrypt_sha256$` where it hashed the password's SHA-256, in hexadecimal digits.

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest, Sha256};

use super::limits::BCRYPT_COST;
use super::{malformed, number, too_costly};

/// The digits behind the salt's and the digest's last whole byte may be anything: some libraries left random bits there.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A readable hash.
pub struct BcryptHash {
    /// Without anything in front, and with nothing behind the last bytes.
    text: String,
    of_sha256: bool,
}

impl BcryptHash {
    /// None: it is of another kind.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        if let Some(inner) = text.strip_prefix("bcrypt_sha256$") {
            return Some(Self::read(inner, true));
        }
        let inner = text.strip_prefix("bcrypt$").unwrap_or(text);
        inner.starts_with("$2").then(|| Self::read(inner, false))
    }

    fn read(text: &str, of_sha256: bool) -> Result<Self, String> {
        let wrong = || malformed("bcrypt");
        if text.len() != 60 || !text.is_ascii() || !matches!(&text[..4], "$2a$" | "$2b$" | "$2y$") {
            return Err(wrong());
        }
        let cost = number(&text[4..6]).filter(|cost| *cost >= 4 && &text[6..7] == "$").ok_or_else(wrong)?;
        if cost > BCRYPT_COST {
            return Err(too_costly("bcrypt", "cost", cost.into(), BCRYPT_COST.into()));
        }
        let same = |part: &str| BASE64.decode(part).map(|bytes| BASE64.encode(bytes)).map_err(|_| wrong());
        let text = format!("{}{}{}", &text[..7], same(&text[7..29])?, same(&text[29..])?);
        Ok(Self { text, of_sha256 })
    }

    /// Only the first 72 bytes count, as everywhere.
    pub(super) fn matches(&self, password: &[u8]) -> Result<bool, String> {
        let digits;
        let password = if self.of_sha256 {
            digits = hexadecimal(&Sha256::digest(password));
            digits.as_bytes()
        } else {
            password
        };
        // Others refuse it or read no further. Here, "a\0a" would be as good as "a".
        if password.contains(&0) {
            return Ok(false);
        }
        bcrypt::verify(password, &self.text).map_err(|error| error.to_string())
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
