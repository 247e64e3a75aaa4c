//! Password hashing: Argon2id on threads of its own behind a bounded queue. A hash in progress belongs to its
//! thread, not to the request, so that clients that disconnect cannot run more of them at once: memory in use is
//! threads × Argon2's memory.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;

use crate::config::PasswordSettings;

/// Longer passwords are refused before they are hashed.
pub const MAX_BYTES: usize = 1024;

/// A password in Unicode NFC (RFC 8265 section 4.2), so that it is the same from every keyboard.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Takes a text that is neither empty nor too long.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.len() {
            0 => Err("a password must not be empty".to_owned()),
            1..=MAX_BYTES => Ok(Self(text.nfc().collect::<String>().into())),
            _ => Err(format!("a password must be at most {MAX_BYTES} bytes")),
        }
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The queue is full. Worth a retry.
    #[error("too many passwords are waiting to be hashed")]
    Busy,
    /// The library refused.
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
    queue: SyncSender<Job>,
    /// Verified in place of an unknown user's hash.
    decoy: Arc<str>,
}

type Job = Box<dyn FnOnce(&Argon2<'_>) + Send>;

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// Starts the threads. They end when the last handle is gone.
    pub fn start(settings: &PasswordSettings) -> Result<Self, HashError> {
        let failed = |error: argon2::Error| HashError::Failed(error.to_string());
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, None);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
        let decoy = hash(&argon2, b"nobody's password")?.into();
        let (queue, jobs) = sync_channel(settings.queue as usize);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..settings.max_concurrent {
            let (argon2, jobs) = (argon2.clone(), Arc::clone(&jobs));
            std::thread::Builder::new()
                .name(format!("hasher-{number}"))
                .spawn(move || {
                    while let Some(job) = next(&jobs) {
                        job(&argon2);
                    }
                })
                .map_err(|error| HashError::Failed(error.to_string()))?;
        }
        Ok(Self { queue, decoy })
    }

    /// The PHC string of a new password.
    pub async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.submit(move |argon2| hash(argon2, password.bytes())).await
    }

    /// Whether `stored` is the password's hash. None, for an unknown user, costs as much and never matches.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict, HashError> {
        let decoy = Arc::clone(&self.decoy);
        self.submit(move |argon2| match stored {
            Some(stored) => verify(argon2, password.bytes(), &stored),
            None => verify(argon2, password.bytes(), &decoy).map(|_| Verdict::Differs),
        })
        .await
    }

    async fn submit<T, F>(&self, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&Argon2<'_>) -> Result<T, HashError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move |argon2: &Argon2<'_>| {
            // Whoever hung up while waiting needs no hash.
            if !reply.is_closed() {
                let _ = reply.send(work(argon2));
            }
        });
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => HashError::Busy,
            TrySendError::Disconnected(_) => HashError::Failed("the hashing threads are gone".to_owned()),
        })?;
        answer.await.unwrap_or_else(|_| Err(HashError::Failed("the hash was abandoned".to_owned())))
    }
}

fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, HashError> {
    let hash = argon2.hash_password(password).map_err(|error| HashError::Failed(error.to_string()))?;
    Ok(hash.to_string())
}

fn verify(argon2: &Argon2<'_>, password: &[u8], stored: &str) -> Result<Verdict, HashError> {
    let parsed = PasswordHash::new(stored).map_err(|error| HashError::Failed(error.to_string()))?;
    let matches = argon2.verify_password(password, &parsed).is_ok();
    // An outdated hash costs one of today's too, right or wrong: a cheaper refusal would tell that the account exists.
    let upgrade = if is_current(argon2, &parsed) { None } else { Some(hash(argon2, password)?) };
    Ok(if matches { Verdict::Matches { upgrade } } else { Verdict::Differs })
}

fn is_current(argon2: &Argon2<'_>, stored: &PasswordHash) -> bool {
    let wanted = argon2.params();
    let same = |params: Params| {
        (params.m_cost(), params.t_cost(), params.p_cost())
            == (wanted.m_cost(), wanted.t_cost(), wanted.p_cost())
    };
    stored.algorithm == Algorithm::Argon2id.ident() && Params::try_from(stored).is_ok_and(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(memory_kib: u32, queue: u32) -> PasswordSettings {
        PasswordSettings { memory_kib, iterations: 1, parallelism: 1, max_concurrent: 1, queue }
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[actix_rt::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let hasher = Hasher::start(&settings(8, 4)).unwrap();
        let stored = hasher.hash(password("e\u{301}clair")).await.unwrap();
        let verdict = hasher.verify(password("éclair"), Some(stored.clone())).await.unwrap();
        assert_eq!(verdict, Verdict::Matches { upgrade: None });
        assert_eq!(hasher.verify(password("eclair"), Some(stored)).await.unwrap(), Verdict::Differs);
        assert_eq!(hasher.verify(password("nobody's password"), None).await.unwrap(), Verdict::Differs);
    }

    #[actix_rt::test]
    async fn an_old_hash_is_upgraded() {
        let old = Hasher::start(&settings(8, 4)).unwrap().hash(password("x")).await.unwrap();
        let hasher = Hasher::start(&settings(16, 4)).unwrap();
        let Verdict::Matches { upgrade: Some(new) } = hasher.verify(password("x"), Some(old)).await.unwrap()
        else {
            panic!("not upgraded")
        };
        assert!(new.contains("m=16,t=1,p=1"), "{new}");
        let again = hasher.verify(password("x"), Some(new)).await.unwrap();
        assert_eq!(again, Verdict::Matches { upgrade: None });
    }

    #[actix_rt::test]
    async fn a_full_queue_refuses_at_once() {
        let hasher = Hasher::start(&settings(8, 1)).unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (started, running) = std::sync::mpsc::channel();
        let block: Job = Box::new(move |_| {
            started.send(()).unwrap();
            held.recv().ok();
        });
        hasher.queue.try_send(block).unwrap();
        running.recv().unwrap();
        let waiting = actix_rt::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(password("waits")).await }
        });
        tokio::task::yield_now().await;
        assert!(matches!(hasher.hash(password("refused")).await, Err(HashError::Busy)));
        drop(hold);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[test]
    fn an_overlong_password_is_refused_before_hashing() {
        assert!(Password::parse(&"x".repeat(1025)).is_err());
        assert!(Password::parse("").is_err());
    }
}
