//! How many wrong guesses at a secret are taken (NIST SP 800-63B section 3.2.2). Guesses at an account are counted
//! for each network that they come from, so that a stranger cannot lock the owner out; for the account, against
//! guesses from many networks; and for the network, against guesses at many accounts. Accounts that there are not are
//! counted like others. A refused guess is not looked at, be it right or wrong.

mod attempt;
mod limit;
mod metrics;
mod policy;
mod table;
mod tally;

use std::future::ready;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attempt::admit;
pub use attempt::{Attempt, Judged};
pub use limit::Limit;
pub use metrics::LockoutMetrics;
use policy::{Counts, Policy};
use sha2::{Digest, Sha256};
use table::{Key, Table};
use tally::{Admission, Tally, Verdict};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::username;
use crate::clock::Clock;
use crate::config::LimitSettings;
use crate::store::Redis;

/// How long a guess waits for others to be settled.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long until it looks whether another instance has settled one; of its own it hears.
const PAUSE: Duration = Duration::from_millis(100);
/// Guesses that may wait so at once.
const WAITING: usize = 256;

/// Why a guess is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Too many wrong ones were made.
    #[error("too many {limit}")]
    Locked {
        /// What is full.
        limit: Limit,
        /// How long the next guess must wait.
        retry_after: Duration,
    },
    /// As many as may be wrong are being looked at already. Worth a retry.
    #[error("too many guesses at once")]
    Busy,
}

/// Why a tally does not admit a guess.
enum Refusal {
    Busy,
    Wait(Duration),
}

/// Counts wrong guesses; clones share the counts.
#[derive(Clone)]
pub struct Lockout(Arc<Shared>);

struct Shared {
    settings: LimitSettings,
    clock: Clock,
    table: Table,
    /// Apart, so that guesses that cost no hash push none of the others out.
    clients: Table,
    waiting: Semaphore,
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
        Self(Arc::new(Shared {
            settings,
            clock,
            table: Table::new(redis),
            clients: Table::new(Redis::default()),
            waiting: Semaphore::new(WAITING),
            refusals: Default::default(),
        }))
    }

    /// Admits a guess at the password of an account, whether or not there is one of this name. At most as many are
    /// admitted at once as may be wrong: more wait for their turn. `is_familiar` is asked when too many were wrong from
    /// everywhere; it lets in a network all the same from which the account was used before.
    pub async fn admit(
        &self,
        name: &str,
        from: IpAddr,
        is_familiar: impl Future<Output = bool>,
    ) -> Result<Attempt, Denied> {
        self.admit_to(&keys(name, from), is_familiar).await
    }

    /// Admits whoever is logged in to a guess at their own password, which is asked for again. Counted for the session and
    /// nothing else: who stole it locks no owner out.
    pub async fn admit_confirmation(&self, session: &str) -> Result<Attempt, Denied> {
        let keys = [(Limit::Confirmation, key(Limit::Confirmation, &[session]))];
        self.admit_to(&keys, ready(false)).await
    }

    /// As [`Lockout::admit`], to a guess at the second factor of a user whose password was right. Those are counted apart:
    /// who knows the password has no more of them for it, and does not lock the account for who does not.
    pub async fn admit_code(
        &self,
        user_id: &str,
        from: IpAddr,
        is_familiar: impl Future<Output = bool>,
    ) -> Result<Attempt, Denied> {
        self.admit_to(&code_keys(user_id, from), is_familiar).await
    }

    async fn admit_to(
        &self,
        keys: &[(Limit, Key)],
        is_familiar: impl Future<Output = bool>,
    ) -> Result<Attempt, Denied> {
        let mut is_familiar = pin!(is_familiar);
        let all = async {
            let mut admitted = Vec::new();
            for (limit, key) in keys.iter().copied() {
                let Some(policy) = self.0.policy(limit) else { continue };
                match admit(&self.0, key, policy).await {
                    Ok(one) => admitted.push(one),
                    Err(_) if matches!(limit, Limit::Account | Limit::Code) && is_familiar.as_mut().await => {
                    }
                    Err(Refusal::Busy) => return Err(Denied::Busy),
                    Err(Refusal::Wait(wait)) => return Err(self.0.locked(limit, wait)),
                }
            }
            Ok(Attempt(admitted))
        };
        timeout(PATIENCE, all).await.unwrap_or(Err(Denied::Busy))
    }

    /// Counts a wrong secret of a client, known or not. Too many are told so, but a right one is never refused: it is 256
    /// random bits, which nobody guesses, and another instance of the client may be the one that errs. For the same
    /// reason each instance of the issuer counts by itself.
    pub async fn count_wrong_secret(&self, client: &str, from: IpAddr) -> Result<(), Denied> {
        let key = key(Limit::Client, &[client, &network(from)]);
        self.0.count(&self.0.clients, Limit::Client, key).await
    }

    /// Counts a new password, which must be judged and hashed whatever comes of it.
    pub async fn count_new_password(&self, from: IpAddr) -> Result<(), Denied> {
        let key = key(Limit::NewPassword, &[&network(from)]);
        self.0.count(&self.0.table, Limit::NewPassword, key).await
    }
}

impl Shared {
    /// None: nothing is counted.
    fn policy(&self, limit: Limit) -> Option<Policy> {
        let LimitSettings { attempts, account_attempts, address_attempts, .. } = self.settings;
        let (long, short) = (self.settings.longest_delay, self.settings.address_interval);
        let (attempts, interval, counts) = match limit {
            Limit::AccountFromNetwork | Limit::CodeFromNetwork | Limit::Client | Limit::Confirmation => {
                (attempts, long, Counts::Consecutive)
            }
            // A right guess ends no row: strangers would learn from it that there was one.
            Limit::Account | Limit::Code => (account_attempts, long, Counts::All),
            Limit::Network => (address_attempts, short, Counts::All),
            Limit::NewPassword => {
                (self.settings.new_passwords, self.settings.new_password_interval, Counts::All)
            }
        };
        (attempts > 0).then_some(Policy { attempts, interval, counts })
    }

    /// Counts what is judged without being looked at, and is over at once.
    async fn count(&self, table: &Table, limit: Limit, key: Key) -> Result<(), Denied> {
        let Some(policy) = self.policy(limit) else { return Ok(()) };
        let now = self.clock.now();
        let count = |tally: &Tally, policy| match tally.admit(policy, now) {
            (tally, Admission::Admitted(since)) => (tally.settle(Verdict::Wrong, since, policy, now), None),
            (tally, Admission::Refused(wait)) => (tally, Some(wait)),
            // None is ever left unsettled.
            (tally, Admission::Busy) => (tally, None),
        };
        match table.change(&key, policy, count).await {
            Some(wait) => Err(self.locked(limit, wait)),
            None => Ok(()),
        }
    }

    fn locked(&self, limit: Limit, retry_after: Duration) -> Denied {
        self.refusals[limit as usize].fetch_add(1, Ordering::Relaxed);
        Denied::Locked { limit, retry_after }
    }
}

/// The wider ones first: whoever is refused there touches no account.
fn keys(name: &str, from: IpAddr) -> [(Limit, Key); 3] {
    let canonical = username::canonical(name);
    let (name, network) = (canonical.as_deref().unwrap_or(name), network(from));
    [
        (Limit::Network, key(Limit::Network, &[&network])),
        (Limit::AccountFromNetwork, key(Limit::AccountFromNetwork, &[name, &network])),
        (Limit::Account, key(Limit::Account, &[name])),
    ]
}

fn code_keys(user_id: &str, from: IpAddr) -> [(Limit, Key); 3] {
    let network = network(from);
    [
        (Limit::Network, key(Limit::Network, &[&network])),
        (Limit::CodeFromNetwork, key(Limit::CodeFromNetwork, &[user_id, &network])),
        (Limit::Code, key(Limit::Code, &[user_id])),
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

/// What belongs to one subscriber: an IPv4 address, or an IPv6 /56.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 72 << 72).to_string(),
    }
}
