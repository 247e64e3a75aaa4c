//! One signing key: its states and how it is made. `Next → Active → Retired`; see
//! `docs/architecture.md`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jwk::{Jwk, alg::rsa::RsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use sha2::{Digest, Sha256};

use super::{KeyError, MasterKeys};
use crate::clock::Timestamp;
use crate::store::keys::SigningKeyRow;

/// The algorithm of every key.
pub const ALGORITHM: &str = "RS256";

const NEXT: &str = "next";
const ACTIVE: &str = "active";
const RETIRED: &str = "retired";

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers can fetch it; does not sign yet.
    Next,
    /// The one that signs.
    Active {
        /// Since when.
        activated_at: Timestamp,
    },
    /// Signs no more, its private half is destroyed; published while its tokens live.
    Retired {
        /// When it began to sign.
        activated_at: Timestamp,
        /// When it ceased.
        retired_at: Timestamp,
    },
}

impl KeyState {
    /// As stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => NEXT,
            Self::Active { .. } => ACTIVE,
            Self::Retired { .. } => RETIRED,
        }
    }
}

/// A signing key without its private half.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// JWS algorithm.
    pub algorithm: String,
    /// Public JWK with `kty n e kid use alg`.
    pub public: Jwk,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it stands in the JWKS.
    pub published_at: Timestamp,
    /// Where it is in its life.
    pub state: KeyState,
}

impl SigningKey {
    /// Reads a row, refusing one whose parts contradict each other.
    pub(super) fn from_row(row: &SigningKeyRow) -> Result<Self, KeyError> {
        let broken = |problem: &str| KeyError::Broken { kid: row.kid.clone(), problem: problem.to_owned() };
        let state = match (row.state.as_str(), row.activated_at, row.retired_at) {
            (NEXT, None, None) => KeyState::Next,
            (ACTIVE, Some(activated), None) => {
                KeyState::Active { activated_at: Timestamp::from_unix(activated) }
            }
            (RETIRED, Some(activated), Some(retired)) => KeyState::Retired {
                activated_at: Timestamp::from_unix(activated),
                retired_at: Timestamp::from_unix(retired),
            },
            _ => return Err(broken("its state and times contradict each other")),
        };
        let public =
            Jwk::from_bytes(&row.public_jwk).map_err(|_| broken("its public half cannot be read"))?;
        if row.algorithm != ALGORITHM || public.key_id() != Some(&row.kid) || thumbprint(&public)? != row.kid
        {
            return Err(broken("its public half is another key's"));
        }
        Ok(Self {
            kid: row.kid.clone(),
            algorithm: row.algorithm.clone(),
            public,
            created_at: Timestamp::from_unix(row.created_at),
            published_at: Timestamp::from_unix(row.published_at),
            state,
        })
    }
}

/// Makes a new key in state `Next`. Takes a good part of a second of CPU time.
pub(super) fn generate(
    master: &MasterKeys,
    rsa_bits: usize,
    now: Timestamp,
) -> Result<SigningKeyRow, KeyError> {
    let crypto = |cause: String| KeyError::Crypto(cause);
    let private =
        RsaPrivateKey::new(&mut rsa::rand_core::OsRng, rsa_bits).map_err(|e| crypto(e.to_string()))?;
    let der = private.to_pkcs8_der().map_err(|e| crypto(e.to_string()))?;
    let pair = RsaKeyPair::from_der(der.as_bytes())?;
    let mut public = pair.to_jwk_public_key();
    let kid = thumbprint(&public)?;
    let mut private = pair.to_jwk_private_key();
    // josekit derives neither from the pair.
    for jwk in [&mut public, &mut private] {
        jwk.set_key_id(&kid);
        jwk.set_algorithm(ALGORITHM);
        jwk.set_key_use("sig");
    }
    Ok(SigningKeyRow {
        sealed_private_jwk: Some(master.seal(&private)?),
        kid,
        algorithm: ALGORITHM.to_owned(),
        state: NEXT.to_owned(),
        public_jwk: public.to_string(),
        created_at: now.as_unix(),
        published_at: now.as_unix(),
        activated_at: None,
        retired_at: None,
    })
}

/// Lets a key sign.
pub(super) fn activate(row: &mut SigningKeyRow, now: Timestamp) {
    ACTIVE.clone_into(&mut row.state);
    row.activated_at = Some(now.as_unix());
}

/// Ends a key's signing and destroys its private half.
pub(super) fn retire(row: &mut SigningKeyRow, now: Timestamp) {
    RETIRED.clone_into(&mut row.state);
    row.retired_at = Some(now.as_unix());
    row.sealed_private_jwk = None;
}

/// RFC 7638: the members that make an RSA key, in lexical order, without white space.
fn thumbprint(jwk: &Jwk) -> Result<String, KeyError> {
    let member = |name: &str| {
        let value = jwk.parameter(name).and_then(|value| value.as_str());
        value.ok_or_else(|| KeyError::Crypto(format!("a JWK without {name}")))
    };
    let canonical = format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, member("e")?, member("n")?);
    Ok(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kid_is_the_thumbprint_of_rfc_7638_section_3_1() {
        let jwk = br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let jwk = Jwk::from_bytes(jwk).unwrap();
        assert_eq!(thumbprint(&jwk).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
