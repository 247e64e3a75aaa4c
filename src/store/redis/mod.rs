//! Redis, which makes several instances quicker and never decides: what it says is refused is refused, and whatever it does
//! not say is asked of the database. So it may be flushed, killed or cut off at any time.
//!
//! Requests never connect and never wait for longer than [`PATIENCE`]: a failure cuts the link, for all requests at once,
//! and [`Redis::tend`] alone tries again.

mod link;
mod metrics;
mod nudges;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::{Cmd, FromRedisValue, RedisError, cmd};
use link::{Link, Source};
pub use metrics::RedisMetrics;
pub use nudges::Nudges;
use tokio::time::timeout;

use crate::config::RedisSettings;

/// The longest that a request waits for Redis.
const PATIENCE: Duration = Duration::from_millis(100);
/// The longest that an attempt to connect takes, for which no request waits: there may be several Sentinels to ask.
const CONNECTING: Duration = Duration::from_secs(2);

/// The link to Redis, or to none; clones share it.
#[derive(Clone, Default)]
pub struct Redis(Option<Arc<Shared>>);

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

struct Shared {
    source: Source,
    key_prefix: String,
    state: Mutex<State>,
    failures: [AtomicU64; Failure::ALL.len()],
    refusals: AtomicU64,
}

/// The circuit breaker.
enum State {
    /// Nobody has tried yet.
    Untried,
    Linked(Arc<Link>),
    /// Why not.
    Cut(Failure),
}

/// What went wrong, as logs and metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// No answer in time: overloaded, paused, or behind a wall that swallows packets.
    Timeout,
    /// Nobody there, or gone in the middle.
    Unreachable,
    /// A replica, or a master that has become one: takes no writes.
    ReadOnly,
    /// `maxmemory` is reached.
    OutOfMemory,
    /// It refuses the user or password.
    Authentication,
    /// Anything else.
    Other,
}

impl Failure {
    const ALL: [Self; 6] = [
        Self::Timeout,
        Self::Unreachable,
        Self::ReadOnly,
        Self::OutOfMemory,
        Self::Authentication,
        Self::Other,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::ReadOnly => "read_only",
            Self::OutOfMemory => "out_of_memory",
            Self::Authentication => "authentication",
            Self::Other => "other",
        }
    }
}

impl From<&RedisError> for Failure {
    fn from(error: &RedisError) -> Self {
        use deadpool_redis::redis::ErrorKind;
        match error.code() {
            Some("READONLY") => Self::ReadOnly,
            Some("OOM") => Self::OutOfMemory,
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => Self::Authentication,
            _ if error.kind() == ErrorKind::AuthenticationFailed => Self::Authentication,
            _ if error.is_timeout() => Self::Timeout,
            _ if error.is_io_error() => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

impl Redis {
    /// Connects to nothing yet: see [`Redis::tend`].
    pub fn new(settings: &RedisSettings) -> Self {
        let shared = |address| Shared {
            source: Source::new(address, settings.sentinel_password.as_ref()),
            key_prefix: settings.key_prefix.clone(),
            state: Mutex::new(State::Untried),
            failures: Default::default(),
            refusals: AtomicU64::new(0),
        };
        Self(settings.address.as_ref().map(|address| Arc::new(shared(address))))
    }

    /// Whether one of these keys is there. No when that cannot be told. In a cluster they must share a slot.
    pub async fn contains(&self, keys: &[String]) -> bool {
        let Some(shared) = &self.0 else { return false };
        let names: Vec<_> = keys.iter().map(|key| shared.name(key)).collect();
        let found: Option<u32> = self.ask(&Cmd::exists(names)).await;
        let is_there = found.is_some_and(|count| count > 0);
        shared.refusals.fetch_add(is_there.into(), Ordering::Relaxed);
        is_there
    }

    /// Puts a key there for a while, if that is possible.
    pub async fn put(&self, key: &str, life: Duration) {
        let Some(shared) = &self.0 else { return };
        self.ask::<()>(&Cmd::set_ex(shared.name(key), 1, life.as_secs().max(1))).await;
    }

    /// Replaces a text by another, for a while; an empty one is none. If it is not what it was believed to be, the answer
    /// is what it is. None when that cannot be told.
    pub async fn swap(&self, key: &str, old: &str, new: &str, life: Duration) -> Option<Result<(), String>> {
        let shared = self.0.as_ref()?;
        let mut command = cmd("EVAL");
        command.arg(SWAP).arg(1).arg(shared.name(key)).arg(old).arg(new).arg(life.as_secs().max(1));
        let other: Option<String> = self.ask(&command).await?;
        Some(other.map_or(Ok(()), Err))
    }

    /// Tells every instance that the key ring changed.
    pub async fn nudge(&self) {
        let Some(shared) = &self.0 else { return };
        self.ask::<()>(&Cmd::publish(shared.name(nudges::CHANNEL), 1)).await;
    }

    /// Whether Redis is in use, and if not, why; none when there is no Redis.
    pub fn health(&self) -> Option<Result<(), &'static str>> {
        let shared = self.0.as_ref()?;
        Some(match &*shared.state() {
            State::Linked(_) => Ok(()),
            State::Cut(failure) => Err(failure.name()),
            State::Untried => Err("not connected yet"),
        })
    }

    /// Connects if that is quickly done: for the beginning, so that nobody waits for a Redis that is not there.
    pub async fn connect_at_once(&self) {
        self.connect_within(PATIENCE).await;
    }

    /// Connects, or sees whether the link that there is still takes writes. To be called about once a second.
    pub async fn tend(&self) {
        if let Some(shared) = self.0.as_ref().filter(|shared| shared.link().is_some()) {
            self.ask::<()>(&shared.probe()).await;
        } else {
            self.connect_within(CONNECTING).await;
        }
    }

    async fn connect_within(&self, patience: Duration) {
        let Some(shared) = &self.0 else { return };
        // Connecting, to a cluster above all, has a large state.
        let probe = Box::pin(async {
            let link = shared.source.connect().await?;
            link.query::<()>(&shared.probe()).await?;
            Ok::<_, RedisError>(link)
        });
        match timeout(patience, probe).await {
            Ok(Ok(link)) => shared.link_up(link),
            Ok(Err(error)) => shared.fail(None, Failure::from(&error), &error.to_string()),
            Err(_) => shared.fail(None, Failure::Timeout, "no answer in time"),
        }
    }

    /// One round trip; none without a link, and when it fails, which cuts it.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let shared = self.0.as_ref()?;
        let link = shared.link()?;
        match timeout(PATIENCE, link.query(command)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => shared.fail(Some(&link), Failure::from(&error), &error.to_string()),
            Err(_) => shared.fail(Some(&link), Failure::Timeout, "no answer in time"),
        }
        None
    }
}

/// Compares and swaps in one step. Answers nothing when it has swapped.
const SWAP: &str = "
    local found = redis.call('GET', KEYS[1]) or ''
    if found ~= ARGV[1] then return found end
    if ARGV[2] == '' then redis.call('DEL', KEYS[1])
    else redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3]) end
    return false";

/// Written again and again, to see whether writes are taken, and scripts.
const PROBE: &str = "probe";
const PROBE_LIFE: Duration = Duration::from_secs(60);
const PROBE_SCRIPT: &str = "redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])";

impl Shared {
    fn probe(&self) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(PROBE_SCRIPT).arg(1).arg(self.name(PROBE)).arg(PROBE_LIFE.as_secs());
        command
    }

    fn name(&self, key: &str) -> String {
        [&self.key_prefix, key].concat()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(&self) -> Option<Arc<Link>> {
        match &*self.state() {
            State::Linked(link) => Some(Arc::clone(link)),
            State::Untried | State::Cut(_) => None,
        }
    }

    fn link_up(&self, link: Link) {
        let earlier = std::mem::replace(&mut *self.state(), State::Linked(Arc::new(link)));
        if matches!(earlier, State::Cut(_)) {
            tracing::info!("Redis is in use again");
        }
    }

    /// Counts a failure and cuts the link that it happened on, unless that was cut already. Told once.
    fn fail(&self, on: Option<&Arc<Link>>, failure: Failure, error: &str) {
        self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
        let mut state = self.state();
        let is_news = match (&*state, on) {
            (State::Linked(link), Some(on)) => Arc::ptr_eq(link, on),
            (State::Cut(earlier), None) => *earlier != failure,
            (State::Linked(_), None) | (State::Cut(_), Some(_)) => false,
            (State::Untried, _) => true,
        };
        if is_news {
            *state = State::Cut(failure);
            drop(state);
            let mode = failure.name();
            tracing::warn!(mode, error, "Redis is out of use: the database is asked instead");
        }
    }
}
