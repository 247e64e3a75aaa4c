//! `chancery keys import|export|generate-master-key`: keys that come from files or go to them.

use std::io::ErrorKind;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::{find, open, print};
use crate::cli::input::PasswordSource;
use crate::cli::{Admin, Failure, output};
use crate::keys::{PrivateKeyFile, Promises, create_master_key_file, export, generate_master_key, rotation};

/// More is no key.
const MAX_FILE: u64 = 64 * 1024;

#[derive(Debug, Args)]
pub struct Import {
    /// A PEM file: PKCS#8, encrypted or not, PKCS#1 or SEC 1. RSA from 2048 bits, P-256, Ed25519.
    #[arg(value_name = "FILE.pem")]
    file: PathBuf,
    #[command(flatten)]
    passphrase: PasswordSource,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The key's id from `keys list`, or its beginning, or `next` or `active`.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// The public half: there is no way to get at the private one.
    #[arg(long, required = true)]
    public: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Format {
    /// As PEM ("BEGIN PUBLIC KEY"): for Kong, HAProxy and the like.
    #[arg(long)]
    pem: bool,
    /// As JWK.
    #[arg(long)]
    jwk: bool,
}

#[derive(Debug, Args)]
pub struct GenerateMasterKey {
    /// Write it to a new file, readable by its owner alone, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let ring = open(admin).await?;
        let name = self.file.display().to_string();
        let fault = |cause: String| Failure::Usage(format!("{name}: {cause}"));
        let file = PrivateKeyFile::parse(&self.read().map_err(|cause| fault(cause.to_string()))?);
        let file = file.map_err(|cause| fault(cause.to_string()))?;
        let passphrase = if file.is_encrypted() { Some(self.passphrase.read_passphrase()?) } else { None };
        let algorithm = rotation::next(&ring.list().await?)?.algorithm;
        let pair = file
            .open(passphrase.as_ref().map(|text| text.as_str()), algorithm)
            .map_err(|cause| fault(cause.to_string()))?;
        let [replaced, next] = ring.import(pair).await?;
        let keys = ring.list().await?;
        eprintln!(
            "Key {} is published as the next one, in place of {}, which never signed. It can be promoted from {} on: \
             chancery keys rotate.",
            next.kid,
            replaced.kid,
            rotation::promotable_at(&keys, Promises::of(&admin.settings.keys))?
        );
        print(
            self.json,
            &json!({ "kid": next.kid, "algorithm": algorithm.as_str(), "replaced": replaced.kid }),
        )
    }

    fn read(&self) -> std::io::Result<Zeroizing<String>> {
        use std::io::Read;
        let mut bytes = Zeroizing::new(Vec::new());
        let size = std::fs::File::open(&self.file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if size as u64 > MAX_FILE {
            return Err(std::io::Error::other("it is too large for a key"));
        }
        // What stands before the key may be in any encoding.
        Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Export {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let keys = open(admin).await?.list().await?;
        let key = find(&keys, &self.kid)?;
        if self.format.jwk {
            output::json(&export::jwk(key))
        } else {
            output::line(export::pem(key)?.trim_end())
        }
    }
}

impl GenerateMasterKey {
    pub(in crate::cli) fn run(self) -> Result<(), Failure> {
        let Some(path) = self.output else {
            return output::line(&generate_master_key()?);
        };
        let name = path.display();
        create_master_key_file(&path).map_err(|cause| match cause.kind() {
            ErrorKind::AlreadyExists => {
                Failure::Exists(format!("{name} exists already; nothing was changed"))
            }
            _ => Failure::Failed(format!("{name}: {cause}")),
        })?;
        eprintln!("{name} holds a new master key. Keep a copy of it apart from the database's backups.");
        Ok(())
    }
}
