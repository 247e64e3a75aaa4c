//! Public keys for verifiers that read no JWKS: PEM (SubjectPublicKeyInfo, RFC 5280) and JWK.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use pkcs8::der::EncodePem;
use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use pkcs8::{LineEnding, ObjectIdentifier};
use rsa::BigUint;
use rsa::pkcs1::EncodeRsaPublicKey;

use super::pair::crypto;
use super::{KeyError, SigningKey};

pub(super) const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The public half as PEM, with a newline at its end.
pub fn pem(key: &SigningKey) -> Result<String, KeyError> {
    let jwk = &key.public;
    let (oid, parameters, bytes) = match jwk.key_type() {
        "RSA" => (RSA_ENCRYPTION, Some(AnyRef::NULL), rsa_bytes(jwk)?),
        // An uncompressed point (SEC 1 section 2.3.3).
        "EC" => (
            EC_PUBLIC_KEY,
            Some(AnyRef::from(&P256)),
            [vec![4], member(jwk, "x")?, member(jwk, "y")?].concat(),
        ),
        _ => (ED25519, None, member(jwk, "x")?),
    };
    let subject_public_key = BitStringRef::from_bytes(&bytes).map_err(crypto)?;
    let algorithm = AlgorithmIdentifierRef { oid, parameters };
    SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_pem(LineEnding::LF).map_err(crypto)
}

/// The public half as JWK.
pub fn jwk(key: &SigningKey) -> serde_json::Value {
    serde_json::Value::Object(key.public.as_ref().clone())
}

fn rsa_bytes(jwk: &Jwk) -> Result<Vec<u8>, KeyError> {
    let number = |name| Ok::<_, KeyError>(BigUint::from_bytes_be(&member(jwk, name)?));
    let key = rsa::RsaPublicKey::new(number("n")?, number("e")?).map_err(crypto)?;
    Ok(key.to_pkcs1_der().map_err(crypto)?.into_vec())
}

fn member(jwk: &Jwk, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = jwk.parameter(name).and_then(|value| value.as_str()).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(crypto)
}
