//! How many wrong guesses at a secret are taken (NIST SP 800-63B section 3.2.2). Guesses at an account are counted
//! for each network that they come from, so that a stranger cannot lock the owner out; for the account, against
//! guesses from many networks; and for the network, against guesses at many accounts. Accounts that there are not are
//! counted like others. A refused guess is not looked at, be it right or wrong.

mod attempt;
mod metrics;
mod table;
mod tally;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use attempt::Attempt;
use attempt::turn;
pub use metrics::LockoutMetrics;
use sha2::{Digest, Sha256};
use table::{Change, Key, Table};
use tally::{Admission, Counts, Policy, Tally, Verdict};
use tokio::time::timeout;

use super::username;
use crate::clock::Clock;
use crate::config::LimitSettings;
use crate::store::Redis;

/// How long a guess waits for others to be settled.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long until it looks whether another instance has settled one; of its own it hears.
const PAUSE: Duration = Duration::from_millis(200);

/// Too many wrong guesses were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong guesses {limit}")]
pub struct Locked {
    /// What is full.
    pub limit: Limit,
    /// How long the next guess must wait.
    pub retry_after: Duration,
}

/// What wrong guesses are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// All accounts, from one network.
    Network,
    /// One account, from one network.
    AccountFromNetwork,
    /// One account, from everywhere.
    Account,
    /// One client, from one network.
    Client,
}

impl Limit {
    const ALL: [Self; 4] = [Self::Network, Self::AccountFromNetwork, Self::Account, Self::Client];

    const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::AccountFromNetwork => "account_from_network",
            Self::Account => "account",
            Self::Client => "client",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Network => "from this network",
            Self::AccountFromNetwork => "at this account from this network",
            Self::Account => "at this account",
            Self::Client => "at this client's secret from this network",
        })
    }
}

/// Counts wrong guesses; clones share the counts.
#[derive(Clone)]
pub struct Lockout(Arc<Shared>);

struct Shared {
    settings: LimitSettings,
    clock: Clock,
    table: Table,
    refusals: [AtomicU64; Limit::ALL.len()],
}

impl std::fmt::Debug for Lockout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lockout")
    }
}

impl Lockout {
    /// With no guesses but those that Redis remembers.
    pub fn new(settings: LimitSettings, clock: Clock, redis: Redis) -> Self {
        Self(Arc::new(Shared { settings, clock, table: Table::new(redis), refusals: Default::default() }))
    }

    /// Admits a guess at the password of an account, whether or not there is one of this name. At most as many are
    /// admitted at once as may be wrong: more wait for their turn.
    pub async fn admit(&self, name: &str, from: IpAddr) -> Result<Attempt, Locked> {
        let mut admitted = Vec::new();
        for (limit, key) in keys(name, &network(from)) {
            if let Some(policy) = self.0.policy(limit) {
                let turn = timeout(PATIENCE, turn(&self.0, key, policy)).await;
                let turn = turn.unwrap_or(Err(Duration::from_secs(1)));
                admitted.push(turn.map_err(|wait| self.0.locked(limit, wait))?);
            }
        }
        Ok(Attempt(admitted))
    }

    /// Runs `check` on the secret that somebody gave for a client, unless too many were wrong. Only this instance
    /// counts: such secrets are 256 random bits, and clients, which show theirs all the time, need not wait for Redis.
    pub async fn guard_client<T, E>(
        &self,
        id: &str,
        from: IpAddr,
        check: impl FnOnce() -> Result<T, E>,
    ) -> Result<Result<T, E>, Locked> {
        let Some(policy) = self.0.policy(Limit::Client) else { return Ok(check()) };
        let (key, now) = (key(Limit::Client, &[id, &network(from)]), self.0.clock.now());
        let guess = |tally: Tally| match tally.admit(policy, now) {
            (admitted, Admission::Admitted) => {
                let checked = check();
                let verdict = if checked.is_ok() { Verdict::Right } else { Verdict::Wrong };
                Change { tally: admitted.settle(verdict, policy, now), outcome: Ok(checked) }
            }
            (tally, Admission::Refused(wait)) => Change { tally, outcome: Err(wait) },
            // None is ever left unsettled.
            (tally, Admission::Busy) => Change { tally, outcome: Err(PAUSE) },
        };
        self.0.table.own(&key, guess).await.map_err(|wait| self.0.locked(Limit::Client, wait))
    }
}

impl Shared {
    /// None: nothing is counted.
    fn policy(&self, limit: Limit) -> Option<Policy> {
        let LimitSettings { attempts, account_attempts, address_attempts, .. } = self.settings;
        let growing = self.settings.longest_delay;
        let (attempts, interval, counts) = match limit {
            Limit::AccountFromNetwork | Limit::Client => (attempts, growing, Counts::Consecutive),
            Limit::Account => (account_attempts, growing, Counts::Consecutive),
            Limit::Network => (address_attempts, self.settings.address_interval, Counts::All),
        };
        (attempts > 0).then_some(Policy { attempts, interval, counts })
    }

    fn locked(&self, limit: Limit, retry_after: Duration) -> Locked {
        self.refusals[limit as usize].fetch_add(1, Ordering::Relaxed);
        Locked { limit, retry_after }
    }
}

/// The wider ones first: whoever is refused there touches no account.
fn keys(name: &str, network: &str) -> [(Limit, Key); 3] {
    let canonical = username::canonical(name);
    let name = canonical.as_deref().unwrap_or(name);
    [
        (Limit::Network, key(Limit::Network, &[network])),
        (Limit::AccountFromNetwork, key(Limit::AccountFromNetwork, &[name, network])),
        (Limit::Account, key(Limit::Account, &[name])),
    ]
}

fn key(limit: Limit, names: &[&str]) -> Key {
    let mut digest = Sha256::new_with_prefix(limit.name());
    for name in names {
        digest.update(name.len().to_be_bytes());
        digest.update(name);
    }
    let mut key = Key::default();
    key.copy_from_slice(&digest.finalize()[..size_of::<Key>()]);
    key
}

/// What belongs to one subscriber: an IPv4 address, or an IPv6 /64.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
    }
}
