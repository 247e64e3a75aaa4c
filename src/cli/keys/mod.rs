//! `chancery keys …`: look at the signing keys, rotate and replace them.

mod list;
mod material;
mod timeline;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Admin, Failure, output};
use crate::clock::Timestamp;
use crate::keys::{KeyError, KeyState, Keys as Ring, Promises, Promotion, Rotated, SigningKey, rotation};

/// Look at the signing keys, rotate and replace them.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List every key there is or was.
    List(list::List),
    /// Let the next key sign, retire the one that did, and publish a new next one.
    Rotate(Rotate),
    /// Emergency: withdraw a key at once, and let the next one take its place.
    Revoke(Revoke),
    /// Publish a private key from a PEM file as the next key, in place of the one there is.
    Import(material::Import),
    /// Print the public half of a key, for verifiers that read no JWKS.
    Export(material::Export),
    /// Delete the records of keys that left the JWKS. Those of revoked keys stay.
    Purge(Purge),
    /// Seal every private key anew under the first master key.
    Reseal(Reseal),
    /// Make a new master key. Needs no database.
    GenerateMasterKey(material::GenerateMasterKey),
}

#[derive(Debug, Args)]
pub struct Rotate {
    /// Even before every verifier can know the next key: tokens may fail to verify for a while.
    #[arg(long)]
    force: bool,
    /// Only say whether it could be done now.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Revoke {
    /// The key's id from `keys list`, or its beginning, or `next` or `active`.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: String,
    /// End every session and replace the key of refresh tokens too: when the database or the master key leaked.
    #[arg(long)]
    close_sessions: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Purge {
    /// Only of keys that left the JWKS before a time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = super::input::time)]
    before: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Reseal {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(admin).await,
            Self::Rotate(rotate) => rotate.run(admin).await,
            Self::Revoke(revoke) => revoke.run(admin).await,
            Self::Import(import) => import.run(admin).await,
            Self::Export(export) => export.run(admin).await,
            Self::Purge(purge) => purge.run(admin).await,
            Self::Reseal(reseal) => reseal.run(admin).await,
            Self::GenerateMasterKey(generate) => generate.run(),
        }
    }
}

/// So many characters tell keys apart, and nobody types them by mistake.
const LEAST_BEGINNING: usize = 8;

/// The key that people mean by its id, by the beginning of that, or by `next` or `active`.
fn find<'a>(keys: &'a [SigningKey], name: &str) -> Result<&'a SigningKey, Failure> {
    let is_meant = |key: &&SigningKey| match name {
        "next" => key.state == KeyState::Next,
        "active" => key.is_active(),
        _ => key.kid == name || (name.len() >= LEAST_BEGINNING && key.kid.starts_with(name)),
    };
    let mut found = keys.iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(KeyError::NotFound(name.to_owned()).into()),
        (Some(_), Some(_)) => Err(Failure::Usage(format!("more than one key begins with {name}"))),
    }
}

async fn open(admin: &Admin) -> Result<Ring, KeyError> {
    Ring::open(admin.store.clone(), admin.clock.clone(), admin.settings.keys.clone()).await
}

impl Rotate {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let ring = open(admin).await?;
        let by = if self.force { Promotion::Forced } else { Promotion::Command };
        let (keys, own) = (ring.list().await?, Promises::of(&admin.settings.keys));
        let (safe_at, now) = (rotation::promotable_at(&keys, own)?, admin.clock.now());
        if self.dry_run {
            rotation::check_promotion(&keys, own, by, now)?;
            let kid = &rotation::next(&keys)?.kid;
            let how = if now < safe_at {
                format!(" by force: it is safe from {safe_at} on")
            } else {
                String::new()
            };
            eprintln!("Key {kid} could be promoted now{how}. Nothing was changed.");
            return print(
                self.json,
                &json!({ "active": kid, "dry_run": true, "safe_at": output::time(safe_at) }),
            );
        }
        let Rotated { retired, active, next } = ring.rotate(by).await?;
        eprintln!(
            "Key {} signs from now on, on running servers within keys.reload_interval; {} is retired, its stored \
             private half destroyed, and stays published until its tokens have expired; {} is published for the next \
             rotation.",
            active.kid, retired.kid, next.kid
        );
        if active.promoted_by == Some(Promotion::Forced) {
            eprintln!(
                "This was too early: until {safe_at} there may be verifiers that cached the JWKS without the new key, and \
                 refuse its tokens until they fetch it again."
            );
        }
        print(self.json, &json!({ "active": active.kid, "retired": retired.kid, "next": next.kid }))
    }
}

impl Revoke {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let ring = open(admin).await?;
        let kid = &find(&ring.list().await?, &self.kid)?.kid.clone();
        let (revocation, closed) = ring.revoke(kid, self.close_sessions).await?;
        if revocation.is_none() {
            eprintln!("Key {kid} was revoked before.");
        }
        let keys = ring.list().await?;
        let revoked_at = keys.iter().find(|key| &key.kid == kid).and_then(SigningKey::leaves_at);
        let (drop_by, cached_until) =
            who_may_still_accept(kid, revoked_at.unwrap_or(admin.clock.now()), admin);
        let (active, next) = revocation.map_or((None, None), |done| (done.active, done.next));
        if let Some(active) = &active {
            eprintln!(
                "Key {} signs from now on. It was published at {}: a verifier that cached the JWKS before that refuses \
                 its tokens until it fetches the JWKS again.",
                active.kid, active.published_at
            );
        }
        if self.close_sessions {
            eprintln!(
                "{closed} session(s) closed, and the key of refresh tokens replaced: everybody logs in again."
            );
        } else {
            eprintln!("No session was closed: refresh tokens go on.");
        }
        let [active, next] = [active, next].map(|key| key.map(|key| key.kid));
        print(
            self.json,
            &json!({
                "revoked": kid, "active": active, "next": next, "closed": closed,
                "servers_drop_by": output::time(drop_by), "caches_expire_by": output::time(cached_until),
            }),
        )
    }
}

/// Says plainly how long a revoked key may be accepted; returns when servers and then caches have dropped it.
fn who_may_still_accept(kid: &str, revoked_at: Timestamp, admin: &Admin) -> (Timestamp, Timestamp) {
    let (reload, max_age) = (admin.settings.keys.reload_interval, admin.settings.jwks.max_age);
    let (drop_by, cached_until) = (revoked_at + reload, revoked_at + reload + max_age);
    eprintln!(
        "Key {kid} is revoked and its stored private half destroyed. Running servers drop it from the JWKS within \
         keys.reload_interval ({}) and refuse its tokens where they are asked. Verifiers that work offline cannot \
         know before they fetch the JWKS again: those that honour its max-age ({}) by {cached_until}, others later, and \
         until then they accept whatever is signed with the key (docs/key-rotation.md lists how long real ones cache).",
        humantime::format_duration(reload),
        humantime::format_duration(max_age),
    );
    (drop_by, cached_until)
}

impl Purge {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let purged = open(admin).await?.purge(self.before).await?;
        eprintln!("{} record(s) deleted.", purged.len());
        print(self.json, &json!({ "purged": purged }))
    }
}

impl Reseal {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let resealed = open(admin).await?.reseal().await?;
        eprintln!(
            "{} key(s) are sealed under master key {} now. Once every server has it, the others can be removed.",
            resealed.count, resealed.master_key
        );
        print(self.json, &json!({ "master_key": resealed.master_key, "count": resealed.count }))
    }
}

fn print(as_json: bool, value: &serde_json::Value) -> Result<(), Failure> {
    if as_json { output::json(value) } else { Ok(()) }
}
