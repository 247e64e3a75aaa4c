//! Everything wired once: for `serve`, `dev`, the CLI and the tests.

use std::convert::Infallible;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use tokio::time::MissedTickBehavior;

use crate::accounts::lockout::{Lockout, LockoutMetrics};
use crate::accounts::password::{HashError, Hasher};
use crate::accounts::{HasherMetrics, fitness};
use crate::clock::Clock;
use crate::config::Settings;
use crate::keys::{KeyError, KeyMetrics, Keys};
use crate::oauth::Issuer;
use crate::store::{Nudges, Redis, RedisMetrics, Store, StoreError, StoreMetrics, migrations};
use crate::tokens::blacklist;

/// How often the blacklist and ended sessions are purged.
const PURGE_INTERVAL: std::time::Duration = std::time::Duration::from_secs(60);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No issuer is set.
    #[error(
        "issuer.url (CHANCERY__ISSUER__URL): is required: the https address at which clients reach this service, \
         such as https://auth.example.com"
    )]
    NoIssuer,
    /// The database.
    #[error("{0}; see database.url (CHANCERY__DATABASE__URL)")]
    Store(#[from] StoreError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The hashing threads.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// How often connections are looked after.
const LINK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Brings the schema up to date and connects. For commands that need no more.
pub async fn open_store(settings: &Settings) -> Result<Store, StoreError> {
    let redis = Redis::new(&settings.redis);
    let settings = settings.database.clone();
    let open = move || {
        let ran = migrations::run(settings.expose())?;
        for migration in ran {
            tracing::info!(migration, "migrated");
        }
        Store::open(&settings)
    };
    let opened = tokio::task::spawn_blocking(open).await;
    let store = opened.unwrap_or_else(|failure| Err(StoreError::Unavailable(failure.to_string())))?;
    redis.connect_at_once().await;
    Ok(store.with_redis(redis))
}

/// The running service without its HTTP side.
#[derive(Clone, Debug)]
pub struct App {
    /// Everything a request needs.
    pub issuer: Issuer,
    /// What Prometheus may ask for.
    pub metrics: Arc<Registry>,
}

impl App {
    /// Migrates the database, opens or makes the keys, and starts the hashing threads.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        let url: Arc<str> = settings.issuer.url.as_deref().ok_or(StartError::NoIssuer)?.into();
        let store = open_store(&settings).await?;
        let keys = Keys::open_or_create(store.clone(), clock.clone(), settings.keys.clone()).await?;
        let passwords = Hasher::start(&settings.password)?;
        let lockout = Lockout::new(settings.limits.clone(), clock.clone(), store.redis().clone());
        let mut metrics = Registry::default();
        metrics.register_collector(Box::new(KeyMetrics(keys.clone())));
        metrics.register_collector(Box::new(StoreMetrics(store.clone())));
        metrics.register_collector(Box::new(RedisMetrics(store.redis().clone())));
        metrics.register_collector(Box::new(HasherMetrics(passwords.clone())));
        metrics.register_collector(Box::new(LockoutMetrics(lockout.clone())));
        let issuer = Issuer { url, settings: Arc::new(settings), clock, store, keys, passwords, lockout };
        Ok(Self { issuer, metrics: Arc::new(metrics) })
    }

    /// Says which clients the settings do not fit.
    pub async fn warn_of_unfit_clients(&self) {
        let Issuer { store, settings, .. } = &self.issuer;
        warn_of_cut_tokens(store, settings).await;
        for problem in fitness::unfit_named(store, settings).await.unwrap_or_default() {
            tracing::warn!("{problem}");
        }
    }

    /// Starts what serving takes besides the answering of requests: bounded waits, following the key ring, rotating it
    /// when that is due, purging what need not be remembered, and looking after Redis. Ends with the runtime.
    pub fn start_tending(&self) {
        self.issuer.store.hurry();
        // Twice as often as it must, so that a late turn is in time.
        let reload = self.issuer.settings.keys.reload_interval / 2;
        let keys = self.issuer.keys.clone();
        every(reload, "the key ring could not be followed", move || {
            let keys = keys.clone();
            async move { keys.tend().await.map(drop) }
        });
        let redis = self.issuer.store.redis().clone();
        every(LINK_INTERVAL, "Redis could not be looked after", move || {
            let redis = redis.clone();
            async move {
                redis.tend().await;
                Ok::<_, Infallible>(())
            }
        });
        let store = self.issuer.store.clone();
        every(LINK_INTERVAL, "the database could not be looked after", move || {
            let store = store.clone();
            async move {
                store.tend().await;
                Ok::<_, Infallible>(())
            }
        });
        actix_rt::spawn(follow(self.issuer.keys.clone(), Nudges::of(self.issuer.store.redis())));
        let issuer = self.issuer.clone();
        every(PURGE_INTERVAL, "old rows could not be purged", move || {
            let issuer = issuer.clone();
            async move { blacklist::purge(&issuer.store, issuer.clock.now()).await.map(drop) }
        });
    }
}

/// Takes up a changed key ring as soon as it is heard of.
async fn follow(keys: Keys, mut nudges: Nudges) {
    loop {
        nudges.next().await;
        if let Err(error) = keys.reload().await {
            tracing::warn!(%error, "the key ring could not be followed");
        }
    }
}

/// Whoever shortens `keys.retention` hears of the clients that were promised more.
async fn warn_of_cut_tokens(store: &Store, settings: &Settings) {
    let longest = settings.keys.longest_token();
    for client in fitness::with_longer_tokens(store, longest).await.unwrap_or_default() {
        tracing::warn!(
            client = client.id,
            longest = longest.as_secs(),
            "this client's access-token lifetime is longer than keys.retention allows: its tokens are cut"
        );
    }
}

/// Repeats work; a failure is logged and the next turn tries again.
fn every<F, W, E>(interval: std::time::Duration, complaint: &'static str, mut work: F)
where
    F: FnMut() -> W + 'static,
    W: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    actix_rt::spawn(async move {
        let mut turns = tokio::time::interval(interval);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if let Err(error) = work().await {
                tracing::warn!(%error, "{complaint}");
            }
        }
    });
}
