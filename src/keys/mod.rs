//! The signing keys: their life (see `docs/key-rotation.md`), the ring that every instance keeps in memory, and the
//! sealing of what is secret. Called by `oauth` to sign and verify, by `http` for the JWKS, and by the CLI.

mod commands;
pub mod export;
mod import;
mod key;
mod mac;
mod metrics;
#[cfg(test)]
mod model;
mod pair;
mod promises;
mod ring;
pub mod rotation;
mod sealing;
mod totp;
mod usage;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{Mutex, MutexGuard};

pub use commands::Resealed;
pub use import::PrivateKeyFile;
pub use key::{KeyState, Promotion, SigningKey};
pub use mac::{MacKey, MacKeys};
pub use metrics::KeyMetrics;
pub use pair::KeyPair;
pub use promises::Promises;
pub use ring::{Jwks, Ring};
pub use rotation::{Revocation, Rotated, TooEarly};
pub use sealing::{MasterKeys, create_master_key_file, generate_master_key};
pub use totp::SealedTotp;
use usage::Usages;

use crate::clock::{Clock, Timestamp};
use crate::config::KeySettings;
use crate::store::keys::{self as table, RingRows};
use crate::store::{Store, StoreError};

/// Why keys cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key is missing, malformed or not the one that sealed.
    #[error("{0}")]
    MasterKey(String),
    /// A stored key is not what its row says.
    #[error("key {kid}: {problem}")]
    Broken {
        /// Which.
        kid: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The library refused, or the ring is not whole.
    #[error("{0}")]
    Crypto(String),
    /// There are no keys yet.
    #[error("the database holds no keys yet: they are made when the server first starts")]
    Empty,
    /// The next key is not known to every verifier yet.
    #[error(transparent)]
    TooEarly(#[from] TooEarly),
    /// There is no such key.
    #[error("there is no key {0}: `chancery keys list` shows those there are")]
    NotFound(String),
    /// The key is in the ring, or was.
    #[error("key {kid} is in the ring already, {state}")]
    Exists {
        /// Which.
        kid: String,
        /// What it is.
        state: &'static str,
    },
    /// A file holds no key that can be used.
    #[error("{0}")]
    Unusable(String),
    /// Somebody else changed the ring meanwhile.
    #[error("the key ring was changed by somebody else at the same moment; nothing was done")]
    Raced,
}

impl From<josekit::JoseError> for KeyError {
    fn from(error: josekit::JoseError) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// The key ring of this instance; clones share it.
#[derive(Clone, Debug)]
pub struct Keys {
    store: Store,
    clock: Clock,
    settings: KeySettings,
    /// Whether this instance publishes and signs, and so makes promises to verifiers.
    serves: bool,
    master: Arc<RwLock<Arc<MasterKeys>>>,
    ring: Arc<RwLock<Arc<Ring>>>,
    /// Held while a ring is taken up, so that an older one never comes after a newer one.
    taking_up: Arc<Mutex<()>>,
    /// When the ring was last known to be what is stored: Unix seconds.
    checked_at: Arc<AtomicI64>,
    usages: Usages,
}

impl Keys {
    /// Opens the ring for an instance that serves; makes the master key and the first keys when the database has none.
    pub async fn open_or_create(store: Store, clock: Clock, settings: KeySettings) -> Result<Self, KeyError> {
        let rows = store.read(table::load).await?;
        if rows.signing.is_empty() {
            commands::create_first_keys(&store, &settings, rows.version, &clock).await?;
        }
        let keys = Self { serves: true, ..Self::open(store, clock, settings).await? };
        keys.take_up().await?;
        keys.prepare_next().await?;
        Ok(keys)
    }

    /// Opens the ring of a database that has one, to look at it or to change it.
    pub async fn open(store: Store, clock: Clock, settings: KeySettings) -> Result<Self, KeyError> {
        let (rows, keys) = load(&store).await?;
        let (now, usages) = (clock.now(), Usages::default());
        let master = MasterKeys::load(&settings)?;
        let ring = Arc::new(Ring::open(&rows, &keys, &master, &usages, now)?);
        Ok(Self {
            store,
            clock,
            settings,
            serves: false,
            master: Arc::new(RwLock::new(Arc::new(master))),
            ring: Arc::new(RwLock::new(ring)),
            taking_up: Arc::default(),
            checked_at: Arc::new(AtomicI64::new(now.as_unix())),
            usages,
        })
    }

    /// The ring as last loaded: to publish, which goes on without a database.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The ring to sign and verify with: never one that was last compared with what is stored more than
    /// `keys.reload_interval` ago. A key stays published for as long after its retirement as that takes to be noticed.
    pub async fn current(&self) -> Result<Arc<Ring>, KeyError> {
        let checked_at = Timestamp::from_unix(self.checked_at.load(Ordering::SeqCst));
        let now = self.clock.now();
        // A clock that was set back tells nothing about how long ago that was.
        if now < checked_at || now.since(checked_at) > self.settings.reload_interval {
            self.reload().await?;
        }
        Ok(self.ring())
    }

    /// Looks whether the ring changed, or a retired key's time is up, and takes up what is new. On an error the old
    /// ring stays in use, to sign for no longer than [`Keys::current`] lets it.
    pub async fn reload(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let ring = self.ring();
        if self.store.read(table::version).await? != ring.version() || ring.is_stale(now) {
            let turn = self.taking_up.lock().await;
            // Whoever had the turn before may have done it.
            if Arc::ptr_eq(&ring, &self.ring()) {
                self.take_up_in(&turn).await?;
                self.ring().tell_of_changes(&ring);
            }
            return Ok(());
        }
        self.checked_at.store(now.as_unix(), Ordering::SeqCst);
        Ok(())
    }

    /// What an instance does at least every `keys.reload_interval`: takes up changes, and rotates when it is due. `true`
    /// when it rotated; of several instances one does.
    pub async fn tend(&self) -> Result<bool, KeyError> {
        self.reload().await?;
        self.rotate_if_due().await
    }

    /// Every key there is or was, oldest first.
    pub async fn list(&self) -> Result<Vec<SigningKey>, KeyError> {
        Ok(self.stored().await?.keys)
    }

    async fn stored(&self) -> Result<Stored, KeyError> {
        let (rows, keys) = load(&self.store).await?;
        let (ring, master) = self.open_ring(&rows, &keys)?;
        Ok(Stored { rows, keys, master, ring })
    }

    /// Opens a ring with the master keys that are set by now, since they may have been replaced in their file; or, until
    /// those fit, with the ones at hand.
    fn open_ring(&self, rows: &RingRows, keys: &[SigningKey]) -> Result<(Ring, Arc<MasterKeys>), KeyError> {
        let open = |master: &MasterKeys| Ring::open(rows, keys, master, &self.usages, self.clock.now());
        match MasterKeys::load(&self.settings).and_then(|master| Ok((open(&master)?, Arc::new(master)))) {
            Ok((ring, master)) => {
                *self.master.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&master);
                Ok((ring, master))
            }
            Err(problem) => {
                let master = self.master();
                let ring = open(&master).map_err(|error| with_problem(error, &problem))?;
                tracing::warn!(%problem, "the master key that was read before is used: another start would fail");
                Ok((ring, master))
            }
        }
    }

    /// Takes up the ring as it is stored. An instance that serves first raises its promises to what it needs, before it
    /// publishes or signs with it.
    async fn take_up(&self) -> Result<(), KeyError> {
        let turn = self.taking_up.lock().await;
        self.take_up_in(&turn).await
    }

    async fn take_up_in(&self, _turn: &MutexGuard<'_, ()>) -> Result<(), KeyError> {
        let now = self.clock.now();
        let stored = if self.serves { self.promised().await? } else { self.stored().await? };
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(stored.ring);
        self.checked_at.store(now.as_unix(), Ordering::SeqCst);
        Ok(())
    }

    fn master(&self) -> Arc<MasterKeys> {
        Arc::clone(&self.master.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is stored, and its signing keys, of which there are some.
async fn load(store: &Store) -> Result<(RingRows, Vec<SigningKey>), KeyError> {
    let rows = store.read(table::load).await?;
    if rows.signing.is_empty() {
        return Err(KeyError::Empty);
    }
    let keys = rows.signing.iter().map(SigningKey::from_row).collect::<Result<_, _>>()?;
    Ok((rows, keys))
}

/// The master keys at hand do not open the ring: what is wrong with those that are set is the better hint.
fn with_problem(error: KeyError, problem: &KeyError) -> KeyError {
    match error {
        KeyError::MasterKey(_) => KeyError::MasterKey(problem.to_string()),
        other => other,
    }
}

/// The ring as it is stored, and the master keys that open it.
struct Stored {
    rows: RingRows,
    keys: Vec<SigningKey>,
    master: Arc<MasterKeys>,
    ring: Ring,
}
