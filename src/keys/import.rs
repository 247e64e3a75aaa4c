//! Private keys from PEM files: PKCS#8 (RFC 5958), encrypted PKCS#8 (PBES2), PKCS#1 (RFC 8017) and SEC 1 (RFC 5915), as
//! `openssl genpkey`, `genrsa` and `ecparam` write them. Nothing here touches the ring.

use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::EdKeyPair;
use openssl::ec::EcKey;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use pkcs8::der::Encode;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier, PrivateKeyInfo, SecretDocument, pkcs5};
use rsa::RsaPrivateKey;
use rsa::pkcs1::{DecodeRsaPrivateKey, EncodeRsaPrivateKey};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use zeroize::Zeroizing;

use super::export::{EC_PUBLIC_KEY, ED25519, RSA_ENCRYPTION};
use super::pair::rsa_jwk;
use super::{KeyError, KeyPair};
use crate::config::Algorithm;

const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
/// The sizes that verifiers take.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Of PBKDF2: some seconds.
const MAX_ITERATIONS: u32 = 10_000_000;
/// Of scrypt, in bytes.
const MAX_MEMORY: u64 = 1 << 28;

const OLD_ENCRYPTION: &str =
    "it is encrypted in OpenSSL's old format: write it anew with `openssl pkcs8 -topk8`";
const OTHER_ENCRYPTION: &str = "it is encrypted in a way that is not supported: write it anew with `openssl pkcs8 -topk8 \
                                -v2 aes-256-cbc -v2prf hmacWithSHA256`";

/// A PEM file with a private key.
pub struct PrivateKeyFile {
    label: String,
    /// The PEM block alone, as strict parsers want it: files may hold parameters or text before it, and other lines.
    block: Zeroizing<String>,
}

impl PrivateKeyFile {
    /// Finds the private key in a file's text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let nothing = || unusable("it holds no PEM private key (\"-----BEGIN PRIVATE KEY-----\")");
        let label = |line: &str| {
            let label = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
            label.ends_with("PRIVATE KEY").then(|| label.to_owned())
        };
        let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
        let label = lines.find_map(label).ok_or_else(nothing)?;
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        loop {
            match lines.next() {
                Some(line) if line == end => break,
                Some(line) if line.starts_with("Proc-Type:") => return Err(unusable(OLD_ENCRYPTION)),
                Some(line) => body.push_str(line),
                None => return Err(unusable(&format!("it is cut short: there is no \"{end}\""))),
            }
        }
        let block = Zeroizing::new(wrapped(&label, &body));
        Ok(Self { label, block })
    }

    /// Whether a passphrase is needed.
    pub fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
    }

    /// The key pair, for an algorithm. Takes a while when it is encrypted.
    pub fn open(&self, passphrase: Option<&str>, algorithm: Algorithm) -> Result<KeyPair, KeyError> {
        let private = match self.label.as_str() {
            "RSA PRIVATE KEY" => {
                of_rsa(&RsaPrivateKey::from_pkcs1_pem(&self.block).map_err(|cause| malformed(&cause))?)?
            }
            "EC PRIVATE KEY" => of_ec(EcKey::private_key_from_pem(self.block.as_bytes()))?,
            "PRIVATE KEY" => of_pkcs8(&self.document()?)?,
            "ENCRYPTED PRIVATE KEY" => {
                let document = self.document()?;
                let sealed = EncryptedPrivateKeyInfo::try_from(document.as_bytes())
                    .map_err(|_| unusable(OTHER_ENCRYPTION))?;
                let passphrase =
                    passphrase.ok_or_else(|| unusable("it is encrypted: a passphrase is needed"))?;
                check_cost(&sealed)?;
                let opened = sealed.decrypt(passphrase).map_err(|cause| match cause {
                    pkcs8::Error::EncryptedPrivateKey(
                        pkcs5::Error::UnsupportedAlgorithm { .. } | pkcs5::Error::NoPbes1CryptSupport,
                    ) => unusable(OTHER_ENCRYPTION),
                    _ => unusable("the passphrase is wrong, or the file is damaged"),
                })?;
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
            let hint = "to change it, set keys.algorithm and restart the servers first";
            return Err(unusable(&format!(
                "it holds a key for {names}, and the next key is of {algorithm}: {hint}"
            )));
        }
        KeyPair::of(private, algorithm)
            .map_err(|_| unusable("its halves do not belong together, or it is on another curve than P-256"))
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
        EC_PUBLIC_KEY => of_ec(PKey::private_key_from_der(der).and_then(|key| key.ec_key())),
        ED25519 => of_ed25519(info),
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
    let [p, q] = key.primes() else { return Err(unusable("its RSA key has not two primes")) };
    let difference = if p > q { p - q } else { q - p };
    // About half of the modulus each, and not close to one another (FIPS 186-5 appendix A.1.1): else it is easily
    // factored. A modulus of odd length has primes of two lengths.
    let is_sound = [p, q].iter().all(|prime| prime.bits().abs_diff(bits / 2) <= 1)
        && difference.bits() > bits / 2 - 100
        && key.validate().is_ok()
        && is_prime_to_openssl(key);
    if !is_sound {
        return Err(unusable("its RSA key is not sound: its primes are none, do not fit, or are too close"));
    }
    rsa_jwk(key)
}

/// The `rsa` crate takes the primes for what they are called.
fn is_prime_to_openssl(key: &RsaPrivateKey) -> bool {
    let der = key.to_pkcs1_der().map(|der| der.to_bytes());
    let parsed = der.ok().and_then(|der| openssl::rsa::Rsa::private_key_from_der(&der).ok());
    parsed.is_some_and(|key| key.check_key().unwrap_or(false))
}

fn of_ec(key: Result<EcKey<Private>, ErrorStack>) -> Result<Jwk, KeyError> {
    let key = key.map_err(|_| unusable("its elliptic-curve key cannot be read"))?;
    if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
        return Err(unusable("its elliptic-curve key is not on P-256"));
    }
    // Written anew, which takes what josekit would stumble over out of it.
    let whole = key.check_key().and_then(|()| PKey::from_ec_key(key)?.private_key_to_pkcs8());
    let der = whole.map(Zeroizing::new).map_err(|_| unusable("its elliptic-curve key is not sound"))?;
    Ok(EcKeyPair::from_der(&*der, Some(EcCurve::P256))?.to_jwk_key_pair())
}

/// What it costs to try the passphrase is up to whoever wrote the file.
fn check_cost(sealed: &EncryptedPrivateKeyInfo<'_>) -> Result<(), KeyError> {
    let is_bearable = match sealed.encryption_algorithm.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(kdf)) => kdf.iteration_count <= MAX_ITERATIONS,
        Some(Kdf::Scrypt(kdf)) => {
            let memory = kdf.cost_parameter.saturating_mul(128 * u64::from(kdf.block_size));
            kdf.cost_parameter > 1 && memory.saturating_mul(kdf.parallelization.into()) <= MAX_MEMORY
        }
        _ => true, // decrypting says what it is
    };
    if is_bearable {
        Ok(())
    } else {
        Err(unusable("its encryption costs too much to undo: write it anew with fewer rounds"))
    }
}

fn of_ed25519(info: PrivateKeyInfo<'_>) -> Result<Jwk, KeyError> {
    // josekit reads the first version alone, which has no public half.
    let first_version = PrivateKeyInfo::new(info.algorithm, info.private_key);
    let der = first_version.to_der().map(Zeroizing::new).map_err(|cause| malformed(&cause))?;
    let pair = EdKeyPair::from_der(&*der).map_err(|_| unusable("its Ed25519 key cannot be read"))?;
    Ok(pair.to_jwk_key_pair())
}

/// RFC 7468: 64 characters a line.
fn wrapped(label: &str, base64: &str) -> String {
    // Large enough to be never moved, which would leave copies behind.
    let mut block = String::with_capacity(2 * (base64.len() + label.len()) + 64);
    block.extend(["-----BEGIN ", label, "-----\n"]);
    for (place, character) in base64.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            block.push('\n');
        }
        block.push(character);
    }
    block.extend(["\n-----END ", label, "-----\n"]);
    block
}

fn malformed(cause: &dyn std::fmt::Display) -> KeyError {
    unusable(&format!("it cannot be read: {cause}"))
}

fn unusable(problem: &str) -> KeyError {
    KeyError::Unusable(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use josekit::jwk::alg::ed::EdCurve;

    use super::*;

    fn ed25519_pem() -> String {
        let pair = EdKeyPair::generate(EdCurve::Ed25519).unwrap();
        String::from_utf8(josekit::jwk::KeyPair::to_pem_private_key(&pair)).unwrap()
    }

    fn open(text: &str) -> Result<String, String> {
        let file = PrivateKeyFile::parse(text).map_err(|error| error.to_string())?;
        file.open(None, Algorithm::EdDsa).map(|pair| pair.kid).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_found_however_its_lines_are_broken_and_whatever_stands_before_it() {
        let pem = ed25519_pem();
        let kid = open(&pem).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let narrow = body.as_bytes().chunks(20).map(|line| std::str::from_utf8(line).unwrap());
        let narrow = narrow.collect::<Vec<_>>().join("\r\n");
        for text in [
            format!("\u{feff}{pem}"),
            format!("Bag Attributes\n  friendlyName: x\n{pem}trailing"),
            format!("-----BEGIN PRIVATE KEY-----\r\n\r\n{narrow}\r\n-----END PRIVATE KEY-----"),
        ] {
            assert_eq!(open(&text).as_ref(), Ok(&kid), "{text}");
        }
    }

    #[test]
    fn rsa_keys_of_even_and_odd_length_are_sound_and_short_ones_are_not_taken() {
        let key = |bits| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap();
        assert!(of_rsa(&key(2048)).is_ok() && of_rsa(&key(2049)).is_ok());
        assert!(of_rsa(&key(2047)).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_is_missing() {
        let pem = ed25519_pem();
        let cut = &pem[..pem.len() - 10];
        for (text, said) in [
            ("", "no PEM private key"),
            (cut, "cut short"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "cannot be read"),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA", "old format"),
            ("-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----", "\"DSA PRIVATE KEY\""),
        ] {
            let refused = open(text).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
