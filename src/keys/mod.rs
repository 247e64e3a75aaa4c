//! The signing keys: their life (see `docs/architecture.md`), the ring that every instance keeps in memory, and the
//! sealing of what is secret. Called by `oauth` to sign and verify, by `http` for the JWKS, and by the CLI to rotate.

mod key;
mod mac;
mod ring;
pub mod rotation;
mod sealing;

use std::sync::{Arc, PoisonError, RwLock};

pub use key::{KeyState, SigningKey};
pub use mac::{MacKey, MacKeys};
pub use ring::{Jwks, Ring};
use rotation::{Rotated, TooEarly};
pub use sealing::MasterKeys;

use crate::clock::{Clock, Timestamp};
use crate::config::KeySettings;
use crate::store::keys::{self as table, RingRows, SigningKeyRow};
use crate::store::sessions::Swap;
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
    #[error("signing key {kid}: {problem}")]
    Broken {
        /// Which.
        kid: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The library refused.
    #[error("{0}")]
    Crypto(String),
    /// There are no keys yet.
    #[error("the database holds no keys yet: they are made when the server first starts")]
    Empty,
    /// The next key is not known to every verifier yet.
    #[error(transparent)]
    TooEarly(#[from] TooEarly),
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
    master: Arc<MasterKeys>,
    ring: Arc<RwLock<Arc<Ring>>>,
}

impl Keys {
    /// Opens the ring; makes the master key and the first keys when the database has none.
    pub async fn open_or_create(store: Store, clock: Clock, settings: KeySettings) -> Result<Self, KeyError> {
        let rows = store.read(table::load).await?;
        if !rows.signing.is_empty() {
            return Self::from_rows(store, clock, settings, &rows);
        }
        let master = Arc::new(MasterKeys::load_or_create(&settings)?);
        create_first_keys(&store, &master, settings.rsa_bits, rows.version, clock.now()).await?;
        let rows = store.read(table::load).await?;
        Self::from_rows(store, clock, settings, &rows)
    }

    /// Opens the ring of a database that has one.
    pub async fn open(store: Store, clock: Clock, settings: KeySettings) -> Result<Self, KeyError> {
        let rows = store.read(table::load).await?;
        if rows.signing.is_empty() {
            return Err(KeyError::Empty);
        }
        Self::from_rows(store, clock, settings, &rows)
    }

    fn from_rows(
        store: Store,
        clock: Clock,
        settings: KeySettings,
        rows: &RingRows,
    ) -> Result<Self, KeyError> {
        let master = Arc::new(MasterKeys::load(&settings)?);
        let ring = Ring::open(rows, &master, settings.retention, clock.now())?;
        Ok(Self { store, clock, settings, master, ring: Arc::new(RwLock::new(Arc::new(ring))) })
    }

    /// The ring as last loaded.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks whether the ring changed, or a retired key's time is up, and takes up what is new. On an error the old
    /// ring stays in use.
    pub async fn reload(&self) -> Result<(), KeyError> {
        let now = self.clock.now();
        let ring = self.ring();
        let version = self.store.read(table::version).await?;
        if version == ring.version() && !ring.is_stale(self.settings.retention, now) {
            return Ok(());
        }
        let rows = self.store.read(table::load).await?;
        let fresh = Ring::open(&rows, &self.master, self.settings.retention, now)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(())
    }

    /// Every key there is or was, oldest first.
    pub async fn list(&self) -> Result<Vec<SigningKey>, KeyError> {
        let rows = self.store.read(table::load).await?;
        rows.signing.iter().map(SigningKey::from_row).collect()
    }

    /// When the next key may be promoted without `force`.
    pub fn promotable_at(&self, key: &SigningKey) -> Timestamp {
        rotation::promotable_at(key, self.settings.propagation_time)
    }

    /// When a retired key leaves the JWKS.
    pub fn leaves_at(&self, key: &SigningKey) -> Option<Timestamp> {
        rotation::leaves_at(key, self.settings.retention)
    }

    /// The key that [`Keys::rotate`] would promote now, or why it would refuse.
    pub async fn promotable(&self, force: bool) -> Result<SigningKey, KeyError> {
        rotation::plan(&self.list().await?, self.settings.propagation_time, force, self.clock.now()).cloned()
    }

    /// Promotes the next key, retires the active one and publishes a new next one, all or nothing. With `force` also
    /// before every verifier can know the promoted key.
    pub async fn rotate(&self, force: bool) -> Result<Rotated, KeyError> {
        let now = self.clock.now();
        let rows = self.store.read(table::load).await?;
        let keys = rows.signing.iter().map(SigningKey::from_row).collect::<Result<Vec<_>, _>>()?;
        rotation::plan(&keys, self.settings.propagation_time, force, now)?;
        let fresh = generate(Arc::clone(&self.master), self.settings.rsa_bits, now).await?;
        let rotated = rotation::rotate(&rows.signing, fresh, now)?;
        let result = rotated.clone();
        let swap = self
            .store
            .write(move |conn| {
                if table::advance(conn, rows.version)? == Swap::Lost {
                    return Ok(Swap::Lost);
                }
                table::update_signing(conn, &rotated.retired)?;
                table::update_signing(conn, &rotated.active)?;
                table::insert_signing(conn, &rotated.next)?;
                Ok(Swap::Won)
            })
            .await?;
        match swap {
            Swap::Won => {
                self.reload().await?;
                Ok(result)
            }
            Swap::Lost => Err(KeyError::Raced),
        }
    }
}

/// The first ring: a key that signs at once, since no verifier can have cached an older JWKS, and the next one.
/// Losing the race to another instance is as good as winning it.
async fn create_first_keys(
    store: &Store,
    master: &Arc<MasterKeys>,
    rsa_bits: usize,
    version: i64,
    now: Timestamp,
) -> Result<(), KeyError> {
    let mut active = generate(Arc::clone(master), rsa_bits, now).await?;
    key::activate(&mut active, now);
    let next = generate(Arc::clone(master), rsa_bits, now).await?;
    let mac = mac::generate(master, now)?;
    store
        .write(move |conn| {
            if table::advance(conn, version)? == Swap::Won {
                table::insert_signing(conn, &active)?;
                table::insert_signing(conn, &next)?;
                table::insert_mac(conn, &mac)?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

async fn generate(
    master: Arc<MasterKeys>,
    rsa_bits: usize,
    now: Timestamp,
) -> Result<SigningKeyRow, KeyError> {
    tokio::task::spawn_blocking(move || key::generate(&master, rsa_bits, now))
        .await
        .unwrap_or_else(|failure| Err(KeyError::Crypto(failure.to_string())))
}
