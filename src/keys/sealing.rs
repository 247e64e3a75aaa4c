//! Master keys and the sealing of private keys under them: compact JWE, `A256GCMKW` + `A256GCM` (RFC 7518). The
//! sealed key names itself, so that one row's seal does not pass for another's.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use josekit::jwe::{self, A256GCMKW, JweHeader};
use josekit::jwk::Jwk;
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KeyError, KeyPair};
use crate::config::{Algorithm, KeySettings};

const LENGTH: usize = 32;
/// Of AES-GCM in bytes.
const NONCE_LENGTH: usize = 12;
const TAG_LENGTH: usize = 16;

/// The master keys: the first seals, all open.
pub struct MasterKeys(Vec<MasterKey>);

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKeys({})", self.names())
    }
}

/// One master key. Its name stands in what it seals.
struct MasterKey {
    name: String,
    bytes: Zeroizing<[u8; LENGTH]>,
}

impl MasterKeys {
    /// Reads the master keys from the setting or its file.
    pub(super) fn load(settings: &KeySettings) -> Result<Self, KeyError> {
        if let Some(keys) = &settings.master_key {
            return Self::parse(keys.expose_secret()).map_err(|problem| fault("keys.master_key", &problem));
        }
        let path = &settings.master_key_file;
        let text = fs::read_to_string(path).map(Zeroizing::new).map_err(|cause| {
            let problem = format!(
                "{cause}. The database holds keys that are sealed under this file's key: bring it back from \
                 where it was kept (keys.master_key_file names it)"
            );
            fault(&path.display().to_string(), &problem)
        })?;
        Self::parse(&text).map_err(|problem| fault(&path.display().to_string(), &problem))
    }

    /// Says what is wrong with the master key that is set. A file that is yet to be made is right.
    pub fn check(settings: &KeySettings) -> Result<(), KeyError> {
        let is_there = settings.master_key.is_some() || settings.master_key_file.exists();
        if is_there { Self::load(settings).map(drop) } else { Ok(()) }
    }

    /// As [`MasterKeys::load`], but makes the file when there is none. Only for a database without keys.
    pub(super) fn load_or_create(settings: &KeySettings) -> Result<Self, KeyError> {
        if settings.master_key.is_none() {
            let path = &settings.master_key_file;
            let create = || {
                if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
                }
                create_master_key_file(path)
            };
            match create() {
                // There is one; or another instance was first, and its key is the one.
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(fault(&path.display().to_string(), &cause.to_string())),
                Ok(()) => {}
            }
        }
        Self::load(settings)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let keys = text.split_whitespace().map(parse_key).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err("holds no key".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Seals a key under the first master key.
    pub(super) fn seal(&self, key: &Jwk) -> Result<String, KeyError> {
        let master = self.0.first().ok_or_else(|| KeyError::MasterKey("no master key".to_owned()))?;
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_key_id(&master.name);
        let payload = Zeroizing::new(key.to_string());
        let encrypter = A256GCMKW.encrypter_from_bytes(master.bytes.as_slice())?;
        Ok(jwe::serialize_compact(payload.as_bytes(), &header, &encrypter)?)
    }

    /// The name of the one that seals: a digest, no secret.
    pub(super) fn sealing(&self) -> &str {
        self.0.first().map_or("", |master| &master.name)
    }

    fn names(&self) -> String {
        self.0.iter().map(|master| master.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Opens what is sealed as key `kid`.
    pub(super) fn unseal(&self, kid: &str, sealed: &str) -> Result<Jwk, KeyError> {
        let broken = |problem: &str| KeyError::Broken { kid: kid.to_owned(), problem: problem.to_owned() };
        if !is_whole(sealed) {
            return Err(broken("its sealed half is cut short or no JWE"));
        }
        let payload = self.0.iter().find_map(|master| open(&master.bytes, sealed)).ok_or_else(|| {
            match header_of(sealed).as_ref().and_then(JweHeader::key_id) {
                Some(name) if self.0.iter().any(|master| master.name == name) => {
                    broken("its sealed half is damaged: bring the row back from a backup")
                }
                name => KeyError::MasterKey(format!(
                    "the master key is wrong: key {kid} is sealed under {}, and those configured are {} \
                     (keys.master_key_file or keys.master_key names them)",
                    name.unwrap_or("an unnamed one"),
                    self.names()
                )),
            }
        })?;
        let key = Jwk::from_bytes(&*payload).map_err(|_| broken("its sealed half is no JWK"))?;
        if key.key_id() == Some(kid) { Ok(key) } else { Err(broken("its sealed half is another key's")) }
    }
}

/// A new key pair whose private half is sealed: all that is needed to publish it.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) public: Jwk,
    pub(super) private: String,
}

impl Sealed {
    pub(super) fn of(pair: &KeyPair, master: &MasterKeys) -> Result<Self, KeyError> {
        let KeyPair { kid, algorithm, public, private } = pair;
        let private = master.seal(private)?;
        Ok(Self { kid: kid.clone(), algorithm: *algorithm, public: public.clone(), private })
    }
}

fn open(master: &[u8; LENGTH], sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let decrypter = A256GCMKW.decrypter_from_bytes(master).ok()?;
    jwe::deserialize_compact(sealed, &decrypter).ok().map(|(payload, _)| Zeroizing::new(payload))
}

/// Whether a JWE has five parts, and its nonces and tags their whole length. The library takes shortened tags, which RFC
/// 7518 (sections 4.7.1 and 5.3) forbids: they are easily forged, and a row that is cut short would open.
fn is_whole(sealed: &str) -> bool {
    let length = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len());
    let [_, _, nonce, _, tag] = sealed.split('.').collect::<Vec<_>>()[..] else { return false };
    let header = header_of(sealed);
    let of_header = |name: &str| {
        let claim = header.as_ref().and_then(|header| header.claim(name));
        length(claim.and_then(|value| value.as_str()).unwrap_or_default())
    };
    let nonces = [length(nonce), of_header("iv")];
    let tags = [length(tag), of_header("tag")];
    nonces == [NONCE_LENGTH; 2] && tags == [TAG_LENGTH; 2]
}

/// What a JWE says of itself, before anything is verified: for messages alone.
fn header_of(sealed: &str) -> Option<JweHeader> {
    let header = BASE64_URL_SAFE_NO_PAD.decode(sealed.split('.').next()?).ok()?;
    JweHeader::from_bytes(&header).ok()
}

fn parse_key(text: &str) -> Result<MasterKey, String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| <[u8; LENGTH]>::try_from(bytes.as_slice()).ok());
    let bytes = key.map(Zeroizing::new);
    let bytes = bytes.ok_or_else(|| format!("must be {LENGTH} bytes as base64url (43 characters)"))?;
    // A digest of 256 random bits tells nothing about them.
    let digest = Sha256::digest(*bytes);
    Ok(MasterKey { name: BASE64_URL_SAFE_NO_PAD.encode(&digest[..6]), bytes })
}

/// A new master key as it is written down.
pub fn generate_master_key() -> std::io::Result<Zeroizing<String>> {
    let mut key = Zeroizing::new([0; LENGTH]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(std::io::Error::other)?;
    Ok(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(key.as_slice())))
}

/// Writes a new master key to a file whole or not at all, and never over another: it is written aside and then linked
/// into place. The error is `AlreadyExists` where there is one.
pub fn create_master_key_file(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let key = generate_master_key()?;
    // A name of its own: in a container every process is number 1, and a crash may have left one behind.
    let aside =
        path.with_extension(format!("new-{:016x}", SysRng.try_next_u64().map_err(std::io::Error::other)?));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file.write_all(key.as_bytes()).and_then(|()| file.write_all(b"\n"));
    let written = written.and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    linked?;
    // The name is on the disk before anything is sealed under the key.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder)?.sync_all()
}

fn fault(place: &str, problem: &str) -> KeyError {
    KeyError::MasterKey(format!("master key {place}: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters(texts: &[&str]) -> MasterKeys {
        MasterKeys::parse(&texts.join("\n")).unwrap()
    }

    const OLD: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const NEW: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn key(kid: &str) -> Jwk {
        let mut jwk = Jwk::generate_oct_key(32).unwrap();
        jwk.set_key_id(kid);
        jwk
    }

    #[test]
    fn every_listed_master_key_opens_and_the_first_seals() {
        let sealed = masters(&[OLD]).seal(&key("a")).unwrap();
        assert!(masters(&[NEW, OLD]).unseal("a", &sealed).is_ok());
        let sealed = masters(&[NEW, OLD]).seal(&key("a")).unwrap();
        assert!(masters(&[NEW]).unseal("a", &sealed).is_ok());
    }

    #[test]
    fn a_wrong_master_key_a_swapped_row_and_a_cut_row_are_told_apart() {
        let master = masters(&[OLD]);
        let sealed = master.seal(&key("a")).unwrap();
        assert!(matches!(masters(&[NEW]).unseal("a", &sealed), Err(KeyError::MasterKey(_))));
        let swapped = master.unseal("b", &sealed).unwrap_err().to_string();
        assert!(swapped.contains("another key's"), "{swapped}");
        let cut = master.unseal("a", &sealed[..40]).unwrap_err().to_string();
        assert!(cut.contains("cut short"), "{cut}");
        let last = if sealed.ends_with('A') { "Q" } else { "A" };
        let changed = sealed[..sealed.len() - 1].to_owned() + last;
        let changed = master.unseal("a", &changed).unwrap_err().to_string();
        assert!(changed.contains("damaged"), "{changed}");
    }

    #[test]
    fn no_seal_opens_that_is_shortened_anywhere() {
        let master = masters(&[OLD]);
        let sealed = master.seal(&key("a")).unwrap();
        for end in 0..sealed.len() {
            assert!(master.unseal("a", &sealed[..end]).is_err(), "cut at {end}");
        }
        let parts: Vec<&str> = sealed.split('.').collect();
        for part in 0..parts.len() {
            for end in 0..parts[part].len() {
                let mut shortened = parts.clone();
                shortened[part] = &parts[part][..end];
                assert!(master.unseal("a", &shortened.join(".")).is_err(), "part {part} cut at {end}");
            }
        }
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        create_master_key_file(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        assert_eq!(create_master_key_file(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(MasterKeys::parse(&first).is_ok());
    }
}
