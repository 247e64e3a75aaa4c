//! What changes the stored ring. Each change is worked out from what is stored and is a compare-and-swap on the ring's
//! version: whoever loses the race looks again at what the winner left.

use std::sync::Arc;
use std::time::Duration;

use super::pair::crypto;
use super::rotation::{self, Revocation, Rotated};
use super::sealing::Sealed;
use super::{KeyError, KeyPair, Keys, MasterKeys, Promises, Promotion, SigningKey, Stored, mac};
use crate::clock::{Clock, Timestamp};
use crate::config::{Algorithm, KeySettings};
use crate::store::Store;
use crate::store::keys::{self as table, RingChange};
use crate::store::sessions::Swap;

/// Every loss is somebody else's progress: this ends a fault, not a race.
const PATIENCE: usize = 32;
/// A change that took longer to reach the database is worked out again: its times would be wrong.
const LATENESS: Duration = Duration::from_secs(1);

/// What a resealing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    /// The name of the master key that everything is sealed under now: a digest of it.
    pub master_key: String,
    /// How many keys, and secrets of users' apps, that are.
    pub count: usize,
}

impl Stored {
    /// Seals under the master key that opens this version of the ring: when it is sealed anew meanwhile, the change that
    /// this is for loses, and is worked out again.
    fn seal(&self, pair: &KeyPair) -> Result<Sealed, KeyError> {
        Sealed::of(pair, &self.master)
    }

    fn change(&self, signing: &[&SigningKey]) -> RingChange {
        let signing = signing.iter().map(|key| key.to_row()).collect();
        RingChange { version: self.rows.version, signing, ..RingChange::default() }
    }
}

impl Keys {
    /// Promotes the next key, retires the active one and publishes a new next one, all or nothing; refuses while a
    /// verifier may not know the next key, unless forced.
    pub async fn rotate(&self, by: Promotion) -> Result<Rotated, KeyError> {
        let (seen, own) = (self.stored().await?, Promises::of(&self.settings));
        // Before the work of making a key.
        rotation::check_promotion(&seen.keys, own, by, self.clock.now())?;
        let pair = self.generate_like(&seen).await?;
        let work = |stored: &Stored, now| {
            // Forced twice at once means once; without force the interlock sees to that.
            if !by.waits() && stored.rows.version != seen.rows.version {
                return Err(KeyError::Raced);
            }
            let rotated = rotation::rotate(&stored.keys, &stored.seal(&pair)?, own, by, now)?;
            Ok(Some((stored.change(&[&rotated.retired, &rotated.active, &rotated.next]), rotated)))
        };
        let (rotated, _) = self.change(work).await?.ok_or(KeyError::Raced)?;
        self.take_up().await?;
        let by = rotated.active.promoted_by.map(Promotion::name);
        tracing::info!(
            target: "chancery::audit", event = "keys_rotated", by, active = rotated.active.kid,
            retired = rotated.retired.kid, next = rotated.next.kid, "the signing key was rotated"
        );
        Ok(rotated)
    }

    /// Rotates when the schedule says so. Losing to another instance or a command is as good as doing it.
    pub(super) async fn rotate_if_due(&self) -> Result<bool, KeyError> {
        let (interval, own) = (self.settings.rotation_interval, Promises::of(&self.settings));
        // The ring in memory tells well enough; what is stored is looked at before anything is done.
        let is_due = |keys: &[SigningKey]| {
            let scheduled = rotation::scheduled_at(keys, own, interval)?;
            Ok::<_, KeyError>(scheduled.is_some_and(|time| self.clock.now() >= time))
        };
        if !is_due(self.ring().published())? || !is_due(&self.list().await?)? {
            return Ok(false);
        }
        match self.rotate(Promotion::Schedule).await {
            Ok(_) => Ok(true),
            Err(KeyError::TooEarly(_) | KeyError::Raced) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Withdraws a key at once, and with `close_sessions` ends every session and replaces the key of refresh tokens.
    /// None when it was withdrawn before; beside it, how many sessions were closed. The key that comes in its place may
    /// be unknown to verifiers yet.
    pub async fn revoke(
        &self,
        kid: &str,
        close_sessions: bool,
    ) -> Result<(Option<Revocation>, usize), KeyError> {
        let pair = self.generate_like(&self.stored().await?).await?;
        let promises = Promises::of(&self.settings);
        let work = |stored: &Stored, now: Timestamp| {
            let revocation = rotation::revoke(&stored.keys, kid, &stored.seal(&pair)?, promises, now)?;
            if revocation.is_none() && !close_sessions {
                return Ok(None);
            }
            let changed = revocation
                .iter()
                .flat_map(|done| [Some(&done.revoked), done.active.as_ref(), done.next.as_ref()]);
            let mut change = stored.change(&changed.flatten().collect::<Vec<_>>());
            if close_sessions {
                change.close_sessions = Some((now.as_unix(), "key_revoked"));
                change.mac = Some(vec![mac::generate(&stored.rows.mac, &stored.master, now)?]);
            }
            Ok(Some((change, revocation)))
        };
        let Some((revocation, closed)) = self.change(work).await? else { return Ok((None, 0)) };
        self.take_up().await?;
        tracing::warn!(
            target: "chancery::audit", event = "key_revoked", kid, was_revoked_before = revocation.is_none(),
            closed_sessions = closed, "a signing key was revoked"
        );
        Ok((revocation, closed))
    }

    /// Publishes a key pair from elsewhere as the next key, in place of the one that was; returns that and the new one.
    pub async fn import(&self, pair: KeyPair) -> Result<[SigningKey; 2], KeyError> {
        let replaced = self.replace_next(&pair, |_| true).await?.ok_or(KeyError::Raced)?;
        tracing::info!(
            target: "chancery::audit", event = "key_imported", kid = replaced[1].kid, replaced = replaced[0].kid,
            "a signing key was imported"
        );
        Ok(replaced)
    }

    /// Replaces a next key that is not of the algorithm that is set.
    pub(super) async fn prepare_next(&self) -> Result<(), KeyError> {
        let algorithm = self.settings.algorithm;
        let is_another =
            |keys: &[SigningKey]| rotation::next(keys).is_ok_and(|key| key.algorithm != algorithm);
        if !is_another(&self.list().await?) {
            return Ok(());
        }
        let pair = generate(algorithm, self.settings.rsa_bits).await?;
        if let Some([replaced, next]) = self.replace_next(&pair, is_another).await? {
            tracing::info!(
                target: "chancery::audit", event = "next_key_replaced", kid = next.kid, replaced = replaced.kid,
                %algorithm, "the next key has the algorithm that is set"
            );
        }
        Ok(())
    }

    async fn replace_next(
        &self,
        pair: &KeyPair,
        condition: impl Fn(&[SigningKey]) -> bool,
    ) -> Result<Option<[SigningKey; 2]>, KeyError> {
        let promises = Promises::of(&self.settings);
        let work = |stored: &Stored, now| {
            if !condition(&stored.keys) {
                return Ok(None);
            }
            let keys = rotation::replace_next(&stored.keys, &stored.seal(pair)?, promises, now)?;
            Ok(Some((stored.change(&[&keys[0], &keys[1]]), keys)))
        };
        let replaced = self.change(work).await?;
        self.take_up().await?;
        Ok(replaced.map(|(keys, _)| keys))
    }

    /// Forgets the records of keys that left the JWKS by themselves, before a time if one is given; returns their ids.
    pub async fn purge(&self, before: Option<Timestamp>) -> Result<Vec<String>, KeyError> {
        let work = |stored: &Stored, now: Timestamp| {
            let forgotten = rotation::forgettable(&stored.keys, before.map_or(now, |time| time.min(now)));
            let change = RingChange { forgotten: forgotten.clone(), ..stored.change(&[]) };
            Ok((!forgotten.is_empty()).then_some((change, forgotten)))
        };
        let forgotten = self.change(work).await?.map(|(kids, _)| kids).unwrap_or_default();
        if !forgotten.is_empty() {
            tracing::info!(
                target: "chancery::audit", event = "keys_purged", kids = forgotten.join(" "), "records of keys were deleted"
            );
        }
        Ok(forgotten)
    }

    /// Seals everything that is sealed under the first master key.
    pub async fn reseal(&self) -> Result<Resealed, KeyError> {
        let work = |stored: &Stored, _| {
            let master = &stored.master;
            let mut resealed = Vec::new();
            for key in &stored.keys {
                if let Some(sealed) = &key.sealed {
                    let private = master.unseal(&key.kid, sealed)?;
                    resealed.push(SigningKey { sealed: Some(master.seal(&private)?), ..key.clone() });
                }
            }
            let mac =
                stored.rows.mac.iter().map(|row| mac::reseal(row, master)).collect::<Result<Vec<_>, _>>()?;
            let count = resealed.len() + mac.len();
            let change = RingChange { mac: Some(mac), ..stored.change(&resealed.iter().collect::<Vec<_>>()) };
            Ok(Some((change, (count, Arc::clone(master)))))
        };
        let ((keys, master), _) = self.change(work).await?.ok_or(KeyError::Raced)?;
        let count = keys + self.reseal_totp(&master).await?;
        let resealed = Resealed { master_key: master.sealing().to_owned(), count };
        let Resealed { master_key, .. } = &resealed;
        tracing::info!(
            target: "chancery::audit", event = "keys_resealed", master_key, count, "the keys were sealed anew"
        );
        Ok(resealed)
    }

    /// The ring with its promises raised to what this instance needs.
    pub(super) async fn promised(&self) -> Result<Stored, KeyError> {
        let own = Promises::of(&self.settings);
        for _ in 0..PATIENCE {
            let stored = self.stored().await?;
            let raised = rotation::raise_promises(&stored.keys, own);
            if raised.is_empty() {
                return Ok(stored);
            }
            let change = stored.change(&raised.iter().collect::<Vec<_>>());
            self.store.write(move |conn| table::apply(conn, &change)).await?;
        }
        Err(KeyError::Raced)
    }

    /// Works a change out from what is stored and makes it; none: there is nothing to change. Beside the result stands
    /// the number of sessions that were closed.
    async fn change<R>(
        &self,
        work: impl Fn(&Stored, Timestamp) -> Result<Option<(RingChange, R)>, KeyError>,
    ) -> Result<Option<(R, usize)>, KeyError> {
        for _ in 0..PATIENCE {
            let (stored, now, clock) = (self.stored().await?, self.clock.now(), self.clock.clone());
            let Some((change, result)) = work(&stored, now)? else { return Ok(None) };
            let apply = move |conn: &mut _| {
                // The database may have been long in coming, and a key is not published before it is written.
                if clock.now().since(now) > LATENESS {
                    Ok((Swap::Lost, 0))
                } else {
                    table::apply(conn, &change)
                }
            };
            let (swap, closed) = self.store.write(apply).await?;
            if swap == Swap::Won {
                self.store.redis().nudge().await;
                return Ok(Some((result, closed)));
            }
        }
        Err(KeyError::Raced)
    }

    /// A key of the next key's algorithm: servers see to it when they start that it is the one that is set, and a
    /// command that is run with other settings does not change it.
    async fn generate_like(&self, stored: &Stored) -> Result<KeyPair, KeyError> {
        generate(rotation::next(&stored.keys)?.algorithm, self.settings.rsa_bits).await
    }
}

/// The first ring: a key that signs at once, since no verifier can have cached an older JWKS, and the next one. Losing
/// the race to another instance is as good as winning it.
pub(super) async fn create_first_keys(
    store: &Store,
    settings: &KeySettings,
    version: i64,
    clock: &Clock,
) -> Result<(), KeyError> {
    let master = MasterKeys::load_or_create(settings)?;
    let promises = Promises::of(settings);
    let first = generate(settings.algorithm, settings.rsa_bits).await?;
    let second = generate(settings.algorithm, settings.rsa_bits).await?;
    let [first, second] = [Sealed::of(&first, &master)?, Sealed::of(&second, &master)?];
    let now = clock.now();
    let active = SigningKey::next(&first, promises, now).activated(Promotion::First, now);
    let next = SigningKey::next(&second, promises, now);
    let change = RingChange {
        version,
        signing: vec![active.to_row(), next.to_row()],
        mac: Some(vec![mac::generate(&[], &master, now)?]),
        ..RingChange::default()
    };
    if store.write(move |conn| table::apply(conn, &change)).await?.0 == Swap::Won {
        tracing::info!(
            target: "chancery::audit", event = "ring_created",
            "the first signing keys were made: keep a copy of the master key apart from the database's backups"
        );
    }
    Ok(())
}

async fn generate(algorithm: Algorithm, rsa_bits: usize) -> Result<KeyPair, KeyError> {
    let make = move || KeyPair::generate(algorithm, rsa_bits);
    tokio::task::spawn_blocking(make).await.unwrap_or_else(|failure| Err(crypto(failure)))
}
