//! Private keys from PEM files: PKCS#8 (RFC 5958), encrypted PKCS#8 (PBES2), PKCS#1 (RFC 8017) and SEC 1 (RFC 5915), as
//! `openssl genpkey`, `genrsa` and `ecparam` write them. Nothing here touches the ring.

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier, PrivateKeyInfo, SecretDocument};
use rsa::RsaPrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use zeroize::Zeroizing;

use super::export::{EC_PUBLIC_KEY, ED25519, RSA_ENCRYPTION};
use super::pair::rsa_jwk;
use super::{KeyError, KeyPair};
use crate::config::Algorithm;

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// The sizes that verifiers take.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A PEM file with a private key.
pub struct PrivateKeyFile {
    label: String,
    /// The PEM block alone: files may hold parameters or text before it.
    block: Zeroizing<String>,
}

/// What a file held.
pub type Imported = KeyPair;

impl PrivateKeyFile {
    /// Finds the private key in a file's text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let nothing = || unusable("it holds no PEM private key (\"-----BEGIN PRIVATE KEY-----\")");
        let label = |line: &str| {
            let label = line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
            label.ends_with("PRIVATE KEY").then(|| label.to_owned())
        };
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let (start, label) = lines
            .iter()
            .enumerate()
            .find_map(|(number, line)| Some((number, label(line)?)))
            .ok_or_else(nothing)?;
        let end = format!("-----END {label}-----");
        let length = lines[start..]
            .iter()
            .position(|line| *line == end)
            .ok_or_else(|| unusable(&format!("it is cut short: there is no \"{end}\"")))?;
        let block = Zeroizing::new(lines[start..=start + length].join("\n") + "\n");
        if block.contains("Proc-Type:") {
            let hint = "it is encrypted in OpenSSL's old format: convert it with `openssl pkcs8 -topk8 -in OLD.pem -out NEW.pem`";
            return Err(unusable(hint));
        }
        Ok(Self { label, block })
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
    }

    /// The key pair, for an algorithm. Takes a while when it is encrypted.
    pub fn open(&self, passphrase: Option<&str>, algorithm: Algorithm) -> Result<Imported, KeyError> {
        let private = match self.label.as_str() {
            "RSA PRIVATE KEY" => {
                of_rsa(&RsaPrivateKey::from_pkcs1_pem(&self.block).map_err(|cause| malformed(&cause))?)?
            }
            "EC PRIVATE KEY" => of_ec(EcKeyPair::from_pem(self.block.as_bytes(), Some(EcCurve::P256)))?,
            "PRIVATE KEY" => of_pkcs8(&self.document()?)?,
            "ENCRYPTED PRIVATE KEY" => {
                let document = self.document()?;
                let sealed = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).map_err(|_| {
                    unusable("it is encrypted in a way other than PBES2: write it anew with `openssl pkcs8 -topk8 -v2 aes-256-cbc`")
                })?;
                let passphrase =
                    passphrase.ok_or_else(|| unusable("it is encrypted: a passphrase is needed"))?;
                let opened = sealed
                    .decrypt(passphrase)
                    .map_err(|_| unusable("the passphrase is wrong, or the file is damaged"))?;
                of_pkcs8(&opened)?
            }
            other => {
                return Err(unusable(&format!(
                    "it holds a key in the format \"{other}\": convert it with `openssl pkcs8 -topk8 -nocrypt`"
                )));
            }
        };
        let made_for = suits(&private);
        if !made_for.contains(&algorithm) {
            let names = made_for.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" or ");
            return Err(unusable(&format!("it holds a key for {names}, and keys.algorithm is {algorithm}")));
        }
        KeyPair::of(private, algorithm)
    }

    fn document(&self) -> Result<SecretDocument, KeyError> {
        SecretDocument::from_pem(&self.block).map(|(_, document)| document).map_err(|cause| malformed(&cause))
    }
}

fn suits(private: &Jwk) -> &'static [Algorithm] {
    match private.key_type() {
        "RSA" => &[Algorithm::Rs256, Algorithm::Ps256],
        "EC" => &[Algorithm::Es256],
        _ => &[Algorithm::EdDsa],
    }
}

fn of_pkcs8(document: &SecretDocument) -> Result<Jwk, KeyError> {
    let der = document.as_bytes();
    let info = PrivateKeyInfo::try_from(der).map_err(|cause| malformed(&cause))?;
    match info.algorithm.oid {
        RSA_ENCRYPTION => of_rsa(&RsaPrivateKey::try_from(info).map_err(|cause| malformed(&cause))?),
        EC_PUBLIC_KEY => of_ec(EcKeyPair::from_der(der, Some(EcCurve::P256))),
        ED25519 => match EdKeyPair::from_der(der) {
            Ok(pair) if pair.curve() == EdCurve::Ed25519 => Ok(pair.to_jwk_private_key()),
            _ => Err(unusable("its Ed25519 key cannot be read")),
        },
        RSA_PSS => Err(unusable(
            "it holds a key for RSA-PSS alone: use a plain RSA key (`openssl genpkey -algorithm RSA`), also for PS256",
        )),
        other => Err(unusable(&format!(
            "it holds a key of another kind (object identifier {other}): RSA, P-256 and Ed25519 can be imported"
        ))),
    }
}

fn of_rsa(key: &RsaPrivateKey) -> Result<Jwk, KeyError> {
    let bits = key.n().bits();
    if !RSA_BITS.contains(&bits) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(unusable(&format!("its RSA key has {bits} bits: {least} to {most} can be imported")));
    }
    if key.primes().len() != 2 {
        return Err(unusable("its RSA key has more than two primes, which verifiers do not expect"));
    }
    key.validate().map_err(|cause| unusable(&format!("its RSA key is inconsistent: {cause}")))?;
    rsa_jwk(key)
}

fn of_ec(pair: Result<EcKeyPair, josekit::JoseError>) -> Result<Jwk, KeyError> {
    let pair = pair.map_err(|_| unusable("its elliptic-curve key is not on P-256, or cannot be read"))?;
    Ok(pair.to_jwk_private_key())
}

fn malformed(cause: &dyn std::fmt::Display) -> KeyError {
    unusable(&format!("it cannot be read: {cause}"))
}

fn unusable(problem: &str) -> KeyError {
    KeyError::Unusable(problem.to_owned())
}
