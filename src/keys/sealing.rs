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
use zeroize::Zeroizing;

use super::KeyError;
use crate::config::KeySettings;

const LENGTH: usize = 32;

/// The master keys: the first seals, all open.
pub struct MasterKeys(Vec<Zeroizing<[u8; LENGTH]>>);

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKeys({})", self.0.len())
    }
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

    /// Says what is wrong with the master key that is set, if one is set and not merely its file.
    pub fn check(settings: &KeySettings) -> Result<(), KeyError> {
        if settings.master_key.is_some() { Self::load(settings).map(drop) } else { Ok(()) }
    }

    /// As [`MasterKeys::load`], but makes the file when there is none. Only for a database without keys.
    pub(super) fn load_or_create(settings: &KeySettings) -> Result<Self, KeyError> {
        if settings.master_key.is_none() {
            let path = &settings.master_key_file;
            create_file(path).map_err(|cause| fault(&path.display().to_string(), &cause.to_string()))?;
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
        let payload = Zeroizing::new(key.to_string());
        let encrypter = A256GCMKW.encrypter_from_bytes(master.as_slice())?;
        Ok(jwe::serialize_compact(payload.as_bytes(), &header, &encrypter)?)
    }

    /// Opens what is sealed as key `kid`.
    pub(super) fn unseal(&self, kid: &str, sealed: &str) -> Result<Jwk, KeyError> {
        let broken = |problem: &str| KeyError::Broken { kid: kid.to_owned(), problem: problem.to_owned() };
        if sealed.split('.').count() != 5 {
            return Err(broken("its sealed half is cut short or no JWE"));
        }
        let payload = self.0.iter().find_map(|master| open(master.as_slice(), sealed)).ok_or_else(|| {
            KeyError::MasterKey(format!(
                "none of the {} configured master key(s) opens key {kid}: the master key is wrong, or the row is damaged",
                self.0.len()
            ))
        })?;
        let key = Jwk::from_bytes(&*payload).map_err(|_| broken("its sealed half is no JWK"))?;
        if key.key_id() == Some(kid) { Ok(key) } else { Err(broken("its sealed half is another key's")) }
    }
}

fn open(master: &[u8], sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
    let decrypter = A256GCMKW.decrypter_from_bytes(master).ok()?;
    jwe::deserialize_compact(sealed, &decrypter).ok().map(|(payload, _)| Zeroizing::new(payload))
}

fn parse_key(text: &str) -> Result<Zeroizing<[u8; LENGTH]>, String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Zeroizing::new);
    let key = bytes.ok().and_then(|bytes| <[u8; LENGTH]>::try_from(bytes.as_slice()).ok());
    key.map(Zeroizing::new).ok_or_else(|| format!("must be {LENGTH} bytes as base64url (43 characters)"))
}

/// Makes the file whole or not at all, and never over another: it is written aside and then linked into place.
fn create_file(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut key = Zeroizing::new([0; LENGTH]);
    SysRng.try_fill_bytes(key.as_mut_slice()).map_err(std::io::Error::other)?;
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(key.as_slice()) + "\n");
    // A name of its own: in a container every process is number 1, and a crash may have left one behind.
    let aside =
        path.with_extension(format!("new-{:016x}", SysRng.try_next_u64().map_err(std::io::Error::other)?));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    match linked {
        // Another instance was first: its key is the one.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
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
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/master.key");
        create_file(&path).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        create_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(MasterKeys::parse(&first).is_ok());
    }
}
