//! Where tallies are kept: in Redis, which all instances share, and a copy in memory, which counts while there is no
//! Redis. Bounded: the ones that were not touched for longest are forgotten first.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::tally::{Policy, Tally};
use crate::store::Redis;

/// Names whose guesses a tally counts; a digest, so that it is short whatever was typed, and so that Redis holds no names.
pub(super) type Key = [u8; 16];

/// Locks, so that keys seldom wait for each other.
const SHARDS: usize = 64;
/// Tallies in one of the two halves of a shard, of some 70 bytes each: 10 MiB in all.
const HALF: usize = 1024;
/// How often a change is tried again because another instance was quicker.
const TRIES: usize = 16;

/// In Redis, a tally of no guesses in place of one of some.
const CLEARED: &str = "0";

/// All tallies.
pub(super) struct Table {
    shards: Vec<Shard>,
    redis: Redis,
}

#[derive(Default)]
struct Shard {
    tallies: Mutex<Tallies>,
    settled: Notify,
}

/// What a change comes to.
pub(super) struct Change<T> {
    pub tally: Tally,
    pub outcome: T,
}

impl Table {
    pub(super) fn new(redis: Redis) -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect(), redis }
    }

    /// Changes a tally that all instances share. The change is told the policy, and may be asked several times.
    pub(super) async fn share<T>(
        &self,
        key: &Key,
        policy: Policy,
        change: impl Fn(Tally, Policy) -> Change<T>,
    ) -> T {
        let mut tallies = self.shard(key).tallies.lock().await;
        let mut known = tallies.get(key);
        let mut stored = known.encode();
        for _ in 0..TRIES {
            let Change { tally, outcome } = change(known, policy);
            let (new, life) = written(known, tally, policy);
            match self.redis.swap(&name(key), &stored, &new, life).await {
                Some(Ok(())) => {
                    tallies.put(key, tally);
                    return outcome;
                }
                Some(Err(found)) => {
                    // What is cleared is written so. What is not there, Redis has lost, and this instance has not.
                    if !found.is_empty() || !known.has_failed() {
                        known = Tally::decode(&found);
                    }
                    stored = found;
                }
                None => break,
            }
        }
        let policy = if self.redis.health().is_some() { stricter(policy) } else { policy };
        let Change { tally, outcome } = change(known, policy);
        tallies.put(key, tally);
        outcome
    }

    /// Changes a tally that is this instance's own.
    pub(super) async fn own<T>(&self, key: &Key, change: impl FnOnce(Tally) -> Change<T>) -> T {
        let mut tallies = self.shard(key).tallies.lock().await;
        let Change { tally, outcome } = change(tallies.get(key));
        tallies.put(key, tally);
        outcome
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
        &self.shards[usize::from(key[0]) % SHARDS]
    }
}

/// What goes into Redis, and for how long. Other instances remember wrong guesses for as long as they count.
fn written(before: Tally, after: Tally, policy: Policy) -> (String, Duration) {
    if after.is_blank() && before.has_failed() {
        return (CLEARED.to_owned(), before.life(policy));
    }
    (after.encode(), after.life(policy))
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
        self.young.get(key).or_else(|| self.old.get(key)).copied().unwrap_or_default()
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
