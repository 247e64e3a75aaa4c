//! Key pairs of every algorithm: how they are made, what signs and verifies with them, and their names. The `rsa` crate
//! makes RSA keys; the others, and every operation with a private key, are OpenSSL's through josekit.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::EcCurve;
use josekit::jwk::alg::ed::EdCurve;
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, EdDSA, JwsSigner, JwsVerifier, PS256, RS256};
use rsa::RsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use sha2::{Digest, Sha256};

use super::KeyError;
use crate::config::Algorithm;

/// A key pair. Its private half is in the clear: no `Debug`.
pub struct KeyPair {
    /// RFC 7638 thumbprint.
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) public: Jwk,
    pub(super) private: Jwk,
}

impl KeyPair {
    /// A new one. RSA takes a good part of a second of CPU time.
    pub(super) fn generate(algorithm: Algorithm, rsa_bits: usize) -> Result<Self, KeyError> {
        let private = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                rsa_jwk(&RsaPrivateKey::new(&mut rsa::rand_core::OsRng, rsa_bits).map_err(crypto)?)?
            }
            Algorithm::Es256 => Jwk::generate_ec_key(EcCurve::P256)?,
            Algorithm::EdDsa => Jwk::generate_ed_key(EdCurve::Ed25519)?,
        };
        Self::of(private, algorithm)
    }

    /// Names both halves, and tries whether one verifies what the other signs.
    pub(super) fn of(mut private: Jwk, algorithm: Algorithm) -> Result<Self, KeyError> {
        let kid = thumbprint(&private)?;
        private.set_key_id(&kid);
        private.set_algorithm(algorithm.as_str());
        private.set_key_use("sig");
        let mut public = private.to_public_key()?;
        // josekit drops them.
        public.set_key_id(&kid);
        public.set_algorithm(algorithm.as_str());
        public.set_key_use("sig");
        let signature = signer(algorithm, &private)?.sign(kid.as_bytes())?;
        verifier(algorithm, &public)?.verify(kid.as_bytes(), &signature).map_err(|_| {
            KeyError::Crypto("the key's public half does not belong to its private half".to_owned())
        })?;
        Ok(Self { kid, algorithm, public, private })
    }
}

pub(super) fn rsa_jwk(key: &RsaPrivateKey) -> Result<Jwk, KeyError> {
    let der = key.to_pkcs8_der().map_err(crypto)?;
    Ok(RsaKeyPair::from_der(der.as_bytes())?.to_jwk_private_key())
}

/// What signs with a private key.
pub(super) fn signer(algorithm: Algorithm, private: &Jwk) -> Result<Box<dyn JwsSigner>, KeyError> {
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(RS256.signer_from_jwk(private)?),
        Algorithm::Ps256 => Box::new(PS256.signer_from_jwk(private)?),
        Algorithm::Es256 => Box::new(ES256.signer_from_jwk(private)?),
        Algorithm::EdDsa => Box::new(EdDSA.signer_from_jwk(private)?),
    })
}

/// What verifies with a public key, and takes no other algorithm than the key's own.
pub(super) fn verifier(algorithm: Algorithm, public: &Jwk) -> Result<Box<dyn JwsVerifier>, KeyError> {
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(public)?),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(public)?),
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(public)?),
        Algorithm::EdDsa => Box::new(EdDSA.verifier_from_jwk(public)?),
    })
}

/// RFC 7638 and RFC 8037: the members that make the key, in lexical order, without white space.
pub(super) fn thumbprint(jwk: &Jwk) -> Result<String, KeyError> {
    let members: &[&str] = match jwk.key_type() {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        other => return Err(KeyError::Crypto(format!("a JWK of type {other:?}"))),
    };
    let member = |name: &&str| {
        let value = jwk.parameter(name).and_then(|value| value.as_str());
        let value = value.ok_or_else(|| KeyError::Crypto(format!("a JWK without {name}")))?;
        Ok(format!(r#""{name}":"{value}""#))
    };
    let members = members.iter().map(member).collect::<Result<Vec<_>, KeyError>>()?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{{}}}", members.join(",")))))
}

pub(super) fn crypto(cause: impl std::fmt::Display) -> KeyError {
    KeyError::Crypto(cause.to_string())
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

    #[test]
    fn an_ed25519_kid_is_the_thumbprint_of_rfc_8037_appendix_a_3() {
        let jwk = br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let jwk = Jwk::from_bytes(jwk).unwrap();
        assert_eq!(thumbprint(&jwk).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn every_algorithm_makes_keys_that_other_algorithms_refuse() {
        for algorithm in Algorithm::ALL {
            let pair = KeyPair::generate(algorithm, 2048).unwrap();
            assert_eq!(pair.public.algorithm(), Some(algorithm.as_str()));
            assert!(pair.public.parameter("d").is_none());
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(verifier(other, &pair.public).is_err(), "{other} takes a key of {algorithm}");
            }
        }
    }

    #[test]
    fn halves_that_do_not_belong_together_are_refused() {
        let [mut one, other] = [(); 2].map(|()| KeyPair::generate(Algorithm::Es256, 0).unwrap().private);
        for member in ["x", "y"] {
            one.set_parameter(member, other.parameter(member).cloned()).unwrap();
        }
        assert!(KeyPair::of(one, Algorithm::Es256).is_err());
    }
}
