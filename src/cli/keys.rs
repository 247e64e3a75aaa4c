//! `chancery keys list|rotate`

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Admin, Failure, output};
use crate::keys::{KeyError, KeyState, Keys as Ring, SigningKey};

/// Look at the signing keys and rotate them.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// List every key there is or was.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let the next key sign, retire the one that did, and publish a new next one.
    Rotate {
        /// Even before every verifier can know the next key: tokens may fail to verify for a while.
        #[arg(long)]
        force: bool,
        /// Only say whether it could be done now.
        #[arg(long)]
        dry_run: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Keys {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let opened = Ring::open(admin.store.clone(), admin.clock.clone(), admin.settings.keys.clone()).await;
        match self {
            // No keys yet is an empty list.
            Self::List { json } if matches!(opened, Err(KeyError::Empty)) => {
                output::list(&[], &COLUMNS, json)
            }
            Self::List { json } => list(&opened?, json).await,
            Self::Rotate { force, dry_run, json } => rotate(&opened?, force, dry_run, json).await,
        }
    }
}

const COLUMNS: [&str; 6] = ["kid", "state", "published_at", "promotable_at", "activated_at", "leaves_at"];

async fn list(ring: &Ring, as_json: bool) -> Result<(), Failure> {
    let keys: Vec<_> = ring.list().await?.iter().map(|key| describe(ring, key)).collect();
    output::list(&keys, &COLUMNS, as_json)
}

async fn rotate(ring: &Ring, force: bool, dry_run: bool, as_json: bool) -> Result<(), Failure> {
    if dry_run {
        let kid = ring.promotable(force).await?.kid;
        eprintln!("Key {kid} can be promoted. Nothing was changed.");
        return if as_json { output::json(&json!({ "active": kid, "dry_run": true })) } else { Ok(()) };
    }
    let rotated = ring.rotate(force).await?;
    tracing::info!(
        target: "chancery::audit", event = "keys_rotated", force,
        active = rotated.active.kid, retired = rotated.retired.kid, "the signing key was rotated"
    );
    eprintln!(
        "Key {} signs from now on, on running servers within keys.reload_interval; {} is retired, its stored private half \
         destroyed, and stays published until its tokens have expired; {} is published for the next rotation.",
        rotated.active.kid, rotated.retired.kid, rotated.next.kid
    );
    if as_json {
        let kids = [&rotated.active, &rotated.retired, &rotated.next].map(|row| row.kid.as_str());
        return output::json(&json!({ "active": kids[0], "retired": kids[1], "next": kids[2] }));
    }
    Ok(())
}

fn describe(ring: &Ring, key: &SigningKey) -> Value {
    let (promotable, activated, retired) = match key.state {
        KeyState::Next => (Some(ring.promotable_at(key)), None, None),
        KeyState::Active { activated_at } => (None, Some(activated_at), None),
        KeyState::Retired { activated_at, retired_at } => (None, Some(activated_at), Some(retired_at)),
    };
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.name(),
        "created_at": output::time(key.created_at),
        "published_at": output::time(key.published_at),
        "promotable_at": promotable.map(output::time),
        "activated_at": activated.map(output::time),
        "retired_at": retired.map(output::time),
        "leaves_at": ring.leaves_at(key).map(output::time),
    })
}
