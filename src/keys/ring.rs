//! The ring in memory: who signs, who verifies, and the JWKS ready to send. Immutable; a change makes a new one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jws::{self, JwsHeader, JwsSigner, JwsVerifier};
use sha2::{Digest, Sha256};

use super::usage::{Usage, Usages};
use super::{KeyError, KeyState, MacKeys, MasterKeys, Promotion, SigningKey, pair, rotation};
use crate::clock::Timestamp;
use crate::config::Algorithm;
use crate::store::keys::RingRows;

/// All keys of one version of the ring.
pub struct Ring {
    version: i64,
    signer: Box<dyn JwsSigner>,
    usage: Usage,
    /// Every key's state by its id, those that left included.
    states: BTreeMap<String, KeyState>,
    published: Vec<SigningKey>,
    verifiers: HashMap<String, Box<dyn JwsVerifier>>,
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
    /// Opens what is stored: `keys` are the rows' signing keys, read.
    pub(super) fn open(
        rows: &RingRows,
        keys: &[SigningKey],
        master: &MasterKeys,
        usages: &Usages,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        let active = rotation::active(keys)?;
        // The next key is opened too, so that a wrong master key shows now and not at the promotion.
        open_signer(rotation::next(keys)?, master)?;
        if rows.mac.is_empty() {
            return Err(KeyError::Crypto("the key ring has no key for refresh tokens".to_owned()));
        }
        let (signer, usage) = (open_signer(active, master)?, usages.of(&active.kid));
        let states = keys.iter().map(|key| (key.kid.clone(), key.state)).collect();
        let mut published: Vec<_> = keys.iter().filter(|key| key.is_published(now)).cloned().collect();
        // Who takes the first key without looking at the kid gets the one that signs.
        published.sort_by_key(|key| (!key.is_active(), std::cmp::Reverse(key.published_at.as_unix())));
        Ok(Self {
            version: rows.version,
            signer,
            usage,
            verifiers: published.iter().map(verifier).collect::<Result<_, _>>()?,
            mac: MacKeys::open(&rows.mac, master)?,
            states,
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

    /// The keys that stand in the JWKS, the active one first.
    pub fn published(&self) -> &[SigningKey] {
        &self.published
    }

    /// The algorithms of the keys that stand in the JWKS, that of the active one first.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for key in &self.published {
            if !algorithms.contains(&key.algorithm) {
                algorithms.push(key.algorithm);
            }
        }
        algorithms
    }

    /// Signs a payload with the active key as a compact JWS of this `typ`.
    pub fn sign(&self, payload: &[u8], typ: &str, now: Timestamp) -> Result<String, KeyError> {
        let mut header = JwsHeader::new();
        header.set_token_type(typ);
        let token = jws::serialize_compact(payload, &header, &*self.signer)?;
        self.usage.count(now);
        Ok(token)
    }

    /// The payload of a compact JWS that a published key signed.
    pub fn verify(&self, token: &str) -> Option<Vec<u8>> {
        let select = |header: &JwsHeader| {
            let verifier = header.key_id().and_then(|kid| self.verifiers.get(kid));
            Ok(verifier.map(|verifier| &**verifier))
        };
        jws::deserialize_compact_with_selector(token, select).ok().map(|(payload, _)| payload)
    }

    /// Logs what others did to the ring since it was `former`: commands write to their own terminal alone.
    pub(super) fn tell_of_changes(&self, former: &Self) {
        let kids = former.states.keys().chain(self.states.keys()).collect::<BTreeSet<_>>();
        for kid in kids {
            let [was, is] =
                [former, self].map(|ring| ring.states.get(kid).map_or("unknown", |state| state.name()));
            if was != is {
                let by = self.published.iter().find(|key| &key.kid == kid).and_then(|key| key.promoted_by);
                tracing::info!(
                    target: "chancery::audit", event = "key_changed", kid, was, is, by = by.map(Promotion::name),
                    version = self.version, "a signing key was changed elsewhere"
                );
            }
        }
    }

    /// Whether a key that stands in the JWKS should have left it.
    pub(super) fn is_stale(&self, now: Timestamp) -> bool {
        !self.published.iter().all(|key| key.is_published(now))
    }
}

fn open_signer(key: &SigningKey, master: &MasterKeys) -> Result<Box<dyn JwsSigner>, KeyError> {
    // `SigningKey::from_row` saw to it that there is one.
    let private = master.unseal(&key.kid, key.sealed.as_deref().unwrap_or_default())?;
    pair::signer(key.algorithm, &private)
}

fn verifier(key: &SigningKey) -> Result<(String, Box<dyn JwsVerifier>), KeyError> {
    Ok((key.kid.clone(), pair::verifier(key.algorithm, &key.public)?))
}

impl Jwks {
    fn of(published: &[SigningKey]) -> Self {
        let keys: Vec<_> = published.iter().map(|key| key.public.as_ref()).collect();
        let body = serde_json::json!({ "keys": keys }).to_string();
        let etag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Self { body, etag }
    }
}
