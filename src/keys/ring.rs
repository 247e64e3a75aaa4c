//! The ring in memory: who signs, who verifies, and the JWKS ready to send. Immutable; a change makes a new one.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jws::alg::rsassa::{RsassaJwsSigner, RsassaJwsVerifier};
use josekit::jws::{self, JwsHeader, JwsVerifier, RS256};
use sha2::{Digest, Sha256};

use super::{KeyError, KeyState, MacKeys, MasterKeys, SigningKey, rotation};
use crate::clock::Timestamp;
use crate::store::keys::RingRows;

/// All keys of one version of the ring.
pub struct Ring {
    version: i64,
    signer: RsassaJwsSigner,
    published: Vec<SigningKey>,
    verifiers: HashMap<String, RsassaJwsVerifier>,
    mac: MacKeys,
    jwks: Jwks,
}

/// The key set as sent to verifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// RFC 7517 JSON.
    pub body: String,
    /// Strong entity tag, with its quotes.
    pub etag: String,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring(version {}, {} published)", self.version, self.published.len())
    }
}

impl Ring {
    pub(super) fn open(
        rows: &RingRows,
        master: &MasterKeys,
        retention: Duration,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let mut signer = None;
        let mut published = Vec::new();
        for row in &rows.signing {
            let key = SigningKey::from_row(row)?;
            if let Some(sealed) = &row.sealed_private_jwk {
                // The next key is opened too, so that a wrong master key shows now and not at the promotion.
                let mut opened = RS256.signer_from_jwk(&master.unseal(&row.kid, sealed)?)?;
                opened.set_key_id(&row.kid);
                signer = signer.or(matches!(key.state, KeyState::Active { .. }).then_some(opened));
            }
            if rotation::is_published(&key, retention, now) {
                published.push(key);
            }
        }
        let broken = || KeyError::Crypto("the key ring has no active key with a private half".to_owned());
        if published.iter().filter(|key| matches!(key.state, KeyState::Active { .. })).count() > 1 {
            return Err(KeyError::Crypto("the key ring has more than one active key".to_owned()));
        }
        if rows.mac.is_empty() {
            return Err(KeyError::Crypto("the key ring has no key for refresh tokens".to_owned()));
        }
        Ok(Self {
            version: rows.version,
            signer: signer.ok_or_else(broken)?,
            verifiers: published.iter().map(verifier).collect::<Result<_, _>>()?,
            mac: MacKeys::open(&rows.mac, master)?,
            jwks: Jwks::of(&published),
            published,
        })
    }

    /// The version of the stored ring that this is.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The JWKS.
    pub fn jwks(&self) -> &Jwks {
        &self.jwks
    }

    /// The keys that authenticate refresh tokens.
    pub fn mac(&self) -> &MacKeys {
        &self.mac
    }

    /// Signs a payload with the active key as a compact JWS of this `typ`.
    pub fn sign(&self, payload: &[u8], typ: &str) -> Result<String, KeyError> {
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        Ok(jws::serialize_compact(payload, &header, &self.signer)?)
    }

    /// The payload of a compact JWS that a published key signed.
    pub fn verify(&self, token: &str) -> Option<Vec<u8>> {
        let select = |header: &JwsHeader| {
            let verifier = header.key_id().and_then(|kid| self.verifiers.get(kid));
            Ok(verifier.map(|verifier| verifier as &dyn JwsVerifier))
        };
        jws::deserialize_compact_with_selector(token, select).ok().map(|(payload, _)| payload)
    }

    /// Whether a key that stands in the JWKS should have left it.
    pub(super) fn is_stale(&self, retention: Duration, now: Timestamp) -> bool {
        !self.published.iter().all(|key| rotation::is_published(key, retention, now))
    }
}

fn verifier(key: &SigningKey) -> Result<(String, RsassaJwsVerifier), KeyError> {
    Ok((key.kid.clone(), RS256.verifier_from_jwk(&key.public)?))
}

impl Jwks {
    fn of(published: &[SigningKey]) -> Self {
        let keys: Vec<_> = published.iter().map(|key| key.public.as_ref()).collect();
        let body = serde_json::json!({ "keys": keys }).to_string();
        let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Self { body, etag }
    }
}
