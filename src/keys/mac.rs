//! The keys that authenticate refresh tokens (HMAC-SHA-256). They live sealed beside the signing keys.

use hmac::{Hmac, KeyInit, Mac};
use josekit::jwk::Jwk;
use sha2::Sha256;

use super::{KeyError, MasterKeys};
use crate::clock::Timestamp;
use crate::store::keys::MacKeyRow;

/// Length of a tag in bytes.
pub const TAG_LENGTH: usize = 32;
const KEY_LENGTH: u8 = 32;

/// One key, ready to use.
#[derive(Clone)]
pub struct MacKey {
    id: u8,
    keyed: Hmac<Sha256>,
}

/// All keys: the newest signs, every one verifies.
#[derive(Clone, Debug, Default)]
pub struct MacKeys(Vec<MacKey>);

impl std::fmt::Debug for MacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MacKey({})", self.id)
    }
}

impl MacKey {
    /// A key from its bytes.
    pub fn from_bytes(id: u8, bytes: &[u8]) -> Result<Self, KeyError> {
        let keyed = Hmac::new_from_slice(bytes).map_err(|error| KeyError::Crypto(error.to_string()))?;
        Ok(Self { id, keyed })
    }

    /// Stands in each token that it authenticates.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// The tag of a message.
    pub fn tag(&self, message: &[u8]) -> [u8; TAG_LENGTH] {
        self.keyed.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether this is the message's tag, compared in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        self.keyed.clone().chain_update(message).verify_slice(tag).is_ok()
    }
}

impl MacKeys {
    /// These keys, the last of which signs.
    pub fn new(keys: Vec<MacKey>) -> Self {
        Self(keys)
    }

    /// The key for new tokens.
    pub fn newest(&self) -> Option<&MacKey> {
        self.0.last()
    }

    /// The key that a token names.
    pub fn find(&self, id: u8) -> Option<&MacKey> {
        self.0.iter().find(|key| key.id == id)
    }

    pub(super) fn open(rows: &[MacKeyRow], master: &MasterKeys) -> Result<Self, KeyError> {
        rows.iter().map(|row| unseal(row, master)).collect::<Result<_, _>>().map(Self)
    }
}

/// A new key, sealed, to be used alone or after those there are.
pub(super) fn generate(
    after: &[MacKeyRow],
    master: &MasterKeys,
    now: Timestamp,
) -> Result<MacKeyRow, KeyError> {
    let id = after.last().map_or(0, |last| (last.id + 1) % 256);
    let mut jwk = Jwk::generate_oct_key(KEY_LENGTH)?;
    jwk.set_key_id(kid(id));
    Ok(MacKeyRow { id, sealed_jwk: master.seal(&jwk)?, created_at: now.as_unix() })
}

/// The same key under the first master key.
pub(super) fn reseal(row: &MacKeyRow, master: &MasterKeys) -> Result<MacKeyRow, KeyError> {
    let jwk = master.unseal(&kid(row.id), &row.sealed_jwk)?;
    Ok(MacKeyRow { sealed_jwk: master.seal(&jwk)?, ..row.clone() })
}

fn unseal(row: &MacKeyRow, master: &MasterKeys) -> Result<MacKey, KeyError> {
    let kid = kid(row.id);
    let broken = || KeyError::Broken { kid: kid.clone(), problem: "is no MAC key".to_owned() };
    let jwk = master.unseal(&kid, &row.sealed_jwk)?;
    let bytes = zeroize::Zeroizing::new(jwk.key_value().ok_or_else(broken)?);
    MacKey::from_bytes(u8::try_from(row.id).map_err(|_| broken())?, &bytes)
}

fn kid(id: i32) -> String {
    format!("mac-{id}")
}
