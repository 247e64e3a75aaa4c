//! Password hashing: Argon2id on threads of its own behind a bounded queue. A hash in progress belongs to its
//! thread, not to the request, so that clients that disconnect cannot run more of them at once: memory in use is
//! threads × Argon2's memory, or 128 MiB for an imported hash that needs it. The threads make way for all others:
//! a flood of logins takes no time from refreshes.

mod background;
mod policy;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

pub use policy::{PasswordPolicy, Weakness};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use unicode_normalization::UnicodeNormalization;

use super::hashing::Engine;
use super::lockout::Attempt;
use crate::config::PasswordSettings;

/// Longer passwords are refused before they are hashed.
pub const MAX_BYTES: usize = 1024;

/// A password, which is hashed in Unicode NFC (RFC 8265 section 4.2), so that it is the same from every keyboard.
#[derive(Clone, Debug)]
pub struct Password {
    nfc: SecretString,
    /// As it was typed, where that is not the same: another system may have hashed it so.
    typed: Option<SecretString>,
}

impl Password {
    /// Takes a text that is neither empty nor too long.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.len() {
            0 => Err("a password must not be empty".to_owned()),
            1..=MAX_BYTES => {
                let nfc: SecretString = text.nfc().collect::<String>().into();
                let typed = (nfc.expose_secret() != text).then(|| text.to_owned().into());
                Ok(Self { nfc, typed })
            }
            _ => Err(format!("a password must be at most {MAX_BYTES} bytes")),
        }
    }

    pub(super) fn normalised(&self) -> &[u8] {
        self.nfc.expose_secret().as_bytes()
    }

    /// All forms in which it may have been hashed.
    pub(super) fn forms(&self) -> impl Iterator<Item = &[u8]> {
        let typed = self.typed.as_ref().map(|typed| typed.expose_secret().as_bytes());
        std::iter::once(self.normalised()).chain(typed)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full. Worth a retry.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The library refused, or the stored hash cannot be read.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// What a verification found.
#[derive(Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not the password.
    Differs,
    /// The password.
    Matches {
        /// A hash with today's parameters, if the stored one has others.
        upgrade: Option<String>,
    },
}

impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Differs) { "Differs" } else { "Matches" })
    }
}

/// Hands passwords to the hashing threads; clones share them.
#[derive(Clone)]
pub struct Hasher {
    queue: Sender<Job>,
    /// One for each hash that may be computed or wait.
    places: Arc<Semaphore>,
    refused: Arc<AtomicU64>,
}

/// The right to one hash, soon.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

type Job = Box<dyn FnOnce(&Engine) + Send>;

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Starts the threads. They end when the last handle is gone.
    pub fn start(settings: &PasswordSettings) -> Result<Self, HashError> {
        let engine = Arc::new(Engine::new(settings)?);
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..settings.max_concurrent {
            let (engine, jobs) = (Arc::clone(&engine), Arc::clone(&jobs));
            std::thread::Builder::new()
                .name(format!("hasher-{number}"))
                .spawn(move || {
                    background::make_way();
                    while let Some(job) = next(&jobs) {
                        // A panic of a library is its job's failure, and not the end of all logins.
                        let _ = catch_unwind(AssertUnwindSafe(|| job(&engine)));
                    }
                })
                .map_err(|error| HashError::Failed(error.to_string()))?;
        }
        let places = settings.max_concurrent as usize + settings.queue as usize;
        Ok(Self { queue, places: Arc::new(Semaphore::new(places)), refused: Arc::default() })
    }

    /// Takes a place.
    pub fn reserve(&self) -> Result<Place, HashError> {
        Arc::clone(&self.places).try_acquire_owned().map(|permit| Place { _permit: permit }).map_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            HashError::Busy
        })
    }

    /// Whether there is a place now; who is told no is counted.
    pub fn check_room(&self) -> Result<(), HashError> {
        self.reserve().map(drop)
    }

    /// How many hashes may yet be begun or wait, and how often there was no place.
    pub fn load(&self) -> (usize, u64) {
        (self.places.available_permits(), self.refused.load(Ordering::Relaxed))
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.submit(self.reserve()?, move |engine| engine.hash(&password)).await
    }

    /// As [`Hasher::hash`], provided that the password passes a judgement that takes time, too.
    pub async fn hash_if<W: Send + 'static>(
        &self,
        password: Password,
        judge: impl FnOnce(&Password) -> Result<(), W> + Send + 'static,
    ) -> Result<Result<String, W>, HashError> {
        let work = move |engine: &Engine| match judge(&password) {
            Ok(()) => engine.hash(&password).map(Ok),
            Err(weakness) => Ok(Err(weakness)),
        };
        self.submit(self.reserve()?, work).await
    }

    /// Whether `stored` is the password's hash. None, for an unknown user, costs as much and never matches. The attempt is
    /// given back, to be ended; if it was wrong and whoever waited has hung up, it has counted.
    pub async fn verify(
        &self,
        place: Place,
        password: Password,
        stored: Option<String>,
        attempt: Attempt,
    ) -> Result<(Verdict, Attempt), HashError> {
        let work = move |engine: &Engine| {
            let verdict = engine.verify(&password, stored.as_deref())?;
            let is_right = verdict != Verdict::Differs;
            Ok((verdict, attempt.judged(is_right)))
        };
        let (verdict, judged) = self.submit(place, work).await?;
        Ok((verdict, judged.heard()))
    }

    async fn submit<T, F>(&self, place: Place, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&Engine) -> Result<T, HashError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |engine: &Engine| {
            let _place = place; // until the hash is done, whether or not anybody waits for it
            // Whoever hung up while waiting needs no hash.
            if !reply.is_closed() {
                let _ = reply.send(work(engine));
            }
        });
        self.queue.send(job).map_err(|_| HashError::Failed("the hashing threads are gone".to_owned()))?;
        answer.await.unwrap_or_else(|_| Err(HashError::Failed("the hash was abandoned".to_owned())))
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests;
