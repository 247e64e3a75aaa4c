//! Password hashing: Argon2id on threads of its own behind a bounded queue. A hash in progress belongs to its
//! thread, not to the request, so that clients that disconnect cannot run more of them at once: memory in use is
//! threads × Argon2's memory, or 128 MiB for an imported hash that needs it. The threads yield to the others: a flood of
//! logins takes no time from refreshes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use unicode_normalization::UnicodeNormalization;

use super::hashing::Engine;
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

/// Lower than everything else of the process (`nice`): a tenth of its weight when all cores are busy.
const PRIORITY: i32 = 10;

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
                    // On Linux this is the calling thread. Where it is refused, all is as it was.
                    let _ = rustix::process::setpriority_process(None, PRIORITY);
                    while let Some(job) = next(&jobs) {
                        job(&engine);
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

    /// Whether `stored` is the password's hash. None, for an unknown user, costs as much and never matches.
    pub async fn verify(
        &self,
        place: Place,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verdict, HashError> {
        self.submit(place, move |engine| engine.verify(&password, stored.as_deref())).await
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
mod tests {
    use super::*;

    /// bcrypt of "e\u{301}clair", which is not in NFC.
    const DECOMPOSED: &str = "$2b$04$qh77Sa4tha00MU6iTVdCHOZHgeg5wU2YbC86xJltYjUJlWM97aZlq";

    fn settings(memory_kib: u32, queue: u32) -> PasswordSettings {
        PasswordSettings { memory_kib, iterations: 1, parallelism: 1, max_concurrent: 1, queue }
    }

    async fn verify_now(hasher: &Hasher, text: &str, stored: Option<String>) -> Verdict {
        hasher.verify(hasher.reserve().unwrap(), password(text), stored).await.unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[actix_rt::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let hasher = Hasher::start(&settings(8, 4)).unwrap();
        let stored = hasher.hash(password("e\u{301}clair")).await.unwrap();
        let verdict = verify_now(&hasher, "éclair", Some(stored.clone())).await;
        assert_eq!(verdict, Verdict::Matches { upgrade: None });
        assert_eq!(verify_now(&hasher, "eclair", Some(stored)).await, Verdict::Differs);
        assert_eq!(verify_now(&hasher, "nobody's password", None).await, Verdict::Differs);
    }

    #[actix_rt::test]
    async fn an_old_hash_is_upgraded() {
        let old = Hasher::start(&settings(8, 4)).unwrap().hash(password("x")).await.unwrap();
        let hasher = Hasher::start(&settings(16, 4)).unwrap();
        let Verdict::Matches { upgrade: Some(new) } = verify_now(&hasher, "x", Some(old)).await else {
            panic!("not upgraded")
        };
        assert!(new.contains("m=16,t=1,p=1"), "{new}");
        let again = verify_now(&hasher, "x", Some(new)).await;
        assert_eq!(again, Verdict::Matches { upgrade: None });
    }

    #[actix_rt::test]
    async fn a_hash_of_another_system_is_upgraded_whichever_form_of_the_password_it_is_of() {
        let hasher = Hasher::start(&settings(8, 4)).unwrap();
        for stored in [DECOMPOSED, "$2b$04$oqe9lj86GATUMyVpCpFCJ.1D7z15dLH/wbiquCWtWe05C.XqpP89G"] {
            let verdict = verify_now(&hasher, "e\u{301}clair", Some(stored.to_owned())).await;
            let Verdict::Matches { upgrade: Some(new) } = verdict else { panic!("not upgraded") };
            assert!(new.starts_with("$argon2id$"), "{new}");
            for typed in ["e\u{301}clair", "éclair"] {
                let again = verify_now(&hasher, typed, Some(new.clone())).await;
                assert_eq!(again, Verdict::Matches { upgrade: None });
            }
            assert_eq!(verify_now(&hasher, "eclair", Some(stored.to_owned())).await, Verdict::Differs);
        }
        assert_eq!(verify_now(&hasher, "éclair", Some(DECOMPOSED.to_owned())).await, Verdict::Differs);
        assert_eq!(verify_now(&hasher, "éclair", Some("!".to_owned())).await, Verdict::Differs);
    }

    #[actix_rt::test]
    async fn a_stored_hash_that_would_take_too_much_is_an_error_and_not_computed() {
        let hasher = Hasher::start(&settings(8, 4)).unwrap();
        for costs in ["m=4194304,t=1,p=1", "m=1048576,t=3,p=1"] {
            let stored = format!("$argon2id$v=19${costs}$c29tZXNhbHQ${}", "A".repeat(43));
            let verdict = hasher.verify(hasher.reserve().unwrap(), password("x"), Some(stored)).await;
            let Err(HashError::Failed(told)) = verdict else { panic!("{costs} was computed") };
            assert!(told.contains("costs too much") && !told.contains('$'), "{told}");
        }
    }

    #[actix_rt::test]
    async fn without_a_place_a_hash_is_refused_at_once_and_its_end_makes_room() {
        let hasher = Hasher::start(&settings(8, 1)).unwrap();
        let places = [hasher.reserve().unwrap(), hasher.reserve().unwrap()];
        assert!(matches!(hasher.hash(password("refused")).await, Err(HashError::Busy)));
        assert_eq!(hasher.load(), (0, 1));
        for place in places {
            hasher.verify(place, password("waits"), None).await.unwrap();
        }
        assert!(hasher.hash(password("welcome")).await.is_ok());
    }

    #[actix_rt::test]
    async fn a_hash_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
        let hasher = Hasher::start(&settings(8, 1)).unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (started, running) = std::sync::mpsc::channel();
        let place = hasher.reserve().unwrap();
        let block: Job = Box::new(move |_| {
            started.send(()).unwrap();
            held.recv().ok();
            drop(place);
        });
        hasher.queue.send(block).unwrap();
        running.recv().unwrap();
        let hung_up = actix_rt::spawn({
            let hasher = hasher.clone();
            async move { hasher.hash(password("hung up")).await }
        });
        tokio::task::yield_now().await;
        hung_up.abort();
        assert!(hung_up.await.is_err());
        assert!(matches!(hasher.reserve(), Err(HashError::Busy)));
        drop(hold);
        while hasher.load().0 < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn an_overlong_password_is_refused_before_hashing() {
        assert!(Password::parse(&"x".repeat(1025)).is_err());
        assert!(Password::parse("").is_err());
    }
}
