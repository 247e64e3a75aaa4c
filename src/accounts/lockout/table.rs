//! Where tallies are kept: in Redis, which all instances share, and a copy in memory, which counts while there is no
//! Redis. Bounded: the ones that were not touched for longest are forgotten first.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::policy::Policy;
use super::tally::Tally;
use crate::store::Redis;

/// Names whose guesses a tally counts; a digest, so that it is short whatever was typed, and so that Redis holds no names.
pub(super) type Key = [u8; 16];

/// Locks, so that keys seldom wait for each other.
const SHARDS: usize = 64;
/// Tallies in one of the two halves of a shard, of some 100 bytes each: 12 MiB in all.
const HALF: usize = 1024;
/// How often a change is tried again because another instance was quicker.
const TRIES: usize = 16;

/// All tallies of a kind.
pub(super) struct Table {
    shards: Vec<Shard>,
    /// Nobody outside can tell which keys share a shard.
    hasher: RandomState,
    redis: Redis,
}

#[derive(Default)]
struct Shard {
    tallies: Mutex<Tallies>,
    settled: Notify,
}

impl Table {
    /// Without a Redis, the tallies are this instance's own.
    pub(super) fn new(redis: Redis) -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), hasher: RandomState::new(), redis }
    }

    /// Changes a tally. The change is told the policy, which is stricter while other instances cannot be asked, and may
    /// be asked several times. What Redis says goes: if it was emptied, all is forgiven.
    pub(super) async fn change<T>(
        &self,
        key: &Key,
        policy: Policy,
        change: impl Fn(&Tally, Policy) -> (Tally, T),
    ) -> T {
        let mut tallies = self.shard(key).tallies.lock().await;
        let known = match self.swap(&mut tallies, key, |tally| change(tally, policy), policy).await {
            Ok(outcome) => return outcome,
            Err(known) => known,
        };
        let policy = if self.redis.health().is_some() { stricter(policy) } else { policy };
        let (tally, outcome) = change(&known, policy);
        tallies.put(key, tally);
        outcome
    }

    /// Whether there is a Redis that cannot be reached: it should learn later of what changes meanwhile.
    pub(super) fn is_cut_off(&self) -> bool {
        matches!(self.redis.health(), Some(Err(_)))
    }

    /// Changes a tally in Redis, if that can be done.
    pub(super) async fn change_in_redis(&self, key: &Key, policy: Policy, change: impl Fn(&Tally) -> Tally) {
        let mut tallies = self.shard(key).tallies.lock().await;
        let _ = self.swap(&mut tallies, key, |tally| (change(tally), ()), policy).await;
    }

    /// The tally as it is known last, when it cannot be changed in Redis.
    async fn swap<T>(
        &self,
        tallies: &mut Tallies,
        key: &Key,
        change: impl Fn(&Tally) -> (Tally, T),
        policy: Policy,
    ) -> Result<T, Tally> {
        let mut known = tallies.get(key);
        for _ in 0..TRIES {
            let (tally, outcome) = change(&known);
            let (old, new) = (known.encode(), tally.encode());
            match self.redis.swap(&name(key), &old, &new, tally.life(policy)).await {
                Some(Ok(())) => {
                    tallies.put(key, tally);
                    return Ok(outcome);
                }
                Some(Err(found)) => known = Tally::decode(&found),
                None => break,
            }
        }
        Err(known)
    }

    /// Lets one of those go on that wait for a guess to be settled.
    pub(super) fn note_settled(&self, key: &Key) {
        self.shard(key).settled.notify_one();
    }

    /// Waits until one is settled here, and not for longer than this.
    pub(super) async fn settled(&self, key: &Key, patience: Duration) {
        let _ = timeout(patience, self.shard(key).settled.notified()).await;
    }

    fn shard(&self, key: &Key) -> &Shard {
        #[allow(clippy::cast_possible_truncation)] // any part of a hash will do
        let number = self.hasher.hash_one(key) as usize;
        &self.shards[number % SHARDS]
    }
}

/// Other instances cannot be asked, and each takes guesses.
fn stricter(policy: Policy) -> Policy {
    Policy { attempts: policy.attempts.div_ceil(2), ..policy }
}

fn name(key: &Key) -> String {
    format!("guesses:{}", u128::from_be_bytes(*key))
}

/// Two halves: what is touched goes to the young one, and when that is full, the old one is forgotten.
#[derive(Default)]
struct Tallies {
    young: HashMap<Key, Tally>,
    old: HashMap<Key, Tally>,
}

impl Tallies {
    fn get(&self, key: &Key) -> Tally {
        self.young.get(key).or_else(|| self.old.get(key)).cloned().unwrap_or_default()
    }

    fn put(&mut self, key: &Key, tally: Tally) {
        self.old.remove(key);
        if tally.is_blank() {
            self.young.remove(key);
            return;
        }
        if self.young.len() >= HALF && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*key, tally);
    }
}
