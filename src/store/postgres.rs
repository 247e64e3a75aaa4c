//! PostgreSQL from async code: a pool whose every wait is bounded. A query belongs to its thread and its connection, not to
//! the request: requests that gave up cannot run more of them at once than there are connections.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use diesel::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connection::{Connector, Manager, Pooled};
use super::{Conn, Lane, StoreError};

/// How long a request waits for a connection.
const CHECKOUT: Duration = Duration::from_millis(500);
/// How long a statement may take: then PostgreSQL breaks it off, and nothing of it is kept.
const STATEMENT: Duration = Duration::from_millis(400);
/// How long a request waits in all: then it is told to come again. Longer than a connection and a statement may take, so
/// that its statement is not done after all.
const PATIENCE: Duration = Duration::from_millis(950);
/// After so long a connection is replaced: its address may lead elsewhere by now.
const LIFETIME: Duration = Duration::from_secs(5 * 60);
/// How often work is begun that the database itself broke off.
const ATTEMPTS: usize = 4;

/// What may be tried again, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Changes nothing.
    Read,
    /// One statement, which is a transaction by itself.
    Statement,
    /// A transaction.
    Transaction,
}

/// The right to a connection, until these are dropped.
type Permits = Vec<OwnedSemaphorePermit>;

/// Whether the requester still waits. When not, it was told to come again, or hung up: what it asked for is not done.
struct Waiting(Weak<()>);

impl Waiting {
    fn check(&self) -> Result<(), StoreError> {
        if self.0.strong_count() > 0 {
            return Ok(());
        }
        Err(StoreError::Unavailable("nobody waits for it any more".to_owned()))
    }
}

/// The pool and what bounds the waiting for it.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: r2d2::Pool<Manager>,
    manager: Manager,
    /// One for each connection.
    all: Arc<Semaphore>,
    /// Those that are not kept for refreshes and revocations.
    unreserved: Arc<Semaphore>,
    /// Those that are not kept for reading: no limit ends a COMMIT that waits for a standby.
    writing: Arc<Semaphore>,
    patience: OnceLock<Duration>,
}

impl Postgres {
    /// Connects when it is first needed.
    pub(super) fn new(connector: Connector, max_connections: u32) -> Self {
        let manager = Manager::new(connector);
        let pool = r2d2::Pool::builder()
            .max_size(max_connections)
            .min_idle(Some(1))
            .connection_timeout(CHECKOUT)
            .max_lifetime(Some(LIFETIME))
            .error_handler(Box::new(r2d2::NopErrorHandler)) // whoever waits for the connection is told
            .build_unchecked(manager.clone());
        let all = max_connections as usize;
        Self {
            pool,
            manager,
            all: Arc::new(Semaphore::new(all)),
            unreserved: Arc::new(Semaphore::new(all - all.div_ceil(4))),
            writing: Arc::new(Semaphore::new(all - all.div_ceil(8))),
            patience: OnceLock::new(),
        }
    }

    /// From now on there are requests that wait.
    pub(super) fn hurry(&self) {
        self.manager.limit_statements(STATEMENT);
        self.patience.get_or_init(|| PATIENCE);
    }

    /// Connections in use, and how many there may be.
    pub(super) fn usage(&self) -> (usize, usize) {
        let most = self.pool.max_size() as usize;
        (most - self.all.available_permits(), most)
    }

    pub(super) async fn run<T, F>(self: &Arc<Self>, lane: Lane, mode: Mode, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        let Some(&patience) = self.patience.get() else {
            let permits = self.permits(lane, mode).await;
            return self.perform(permits, mode, work).await;
        };
        let hurried = async {
            let permits =
                timeout(CHECKOUT, self.permits(lane, mode)).await.map_err(|_| StoreError::Overloaded)?;
            self.perform(permits, mode, work).await
        };
        timeout(patience, hurried).await.unwrap_or_else(|_| {
            // It may hang: the others are looked at before they are used. And a COMMIT may yet be done.
            self.manager.note_loss();
            Err(StoreError::Lost("no answer in time".to_owned()))
        })
    }

    async fn perform<T, F>(self: &Arc<Self>, permits: Permits, mode: Mode, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        let this = Arc::clone(self);
        let requester = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&requester));
        let job = move || {
            let _held = permits;
            this.attempt(mode, &waiting, work)
        };
        spawn_blocking(job).await.unwrap_or_else(|failure| Err(StoreError::Unavailable(failure.to_string())))
    }

    async fn permits(&self, lane: Lane, mode: Mode) -> Permits {
        let unreserved = (lane == Lane::Unreserved).then_some(&self.unreserved);
        let writing = (mode != Mode::Read).then_some(&self.writing);
        let mut permits = Vec::with_capacity(3);
        for semaphore in unreserved.into_iter().chain(writing).chain([&self.all]) {
            permits.extend(Arc::clone(semaphore).acquire_owned().await);
        }
        permits
    }

    /// Works, again if the database broke it off and it surely kept nothing of it.
    fn attempt<T, F>(&self, mode: Mode, waiting: &Waiting, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone,
    {
        for _ in 1..ATTEMPTS {
            let (may_be_kept, outcome) = self.attempt_once(mode, waiting, work.clone());
            match outcome {
                Err(StoreError::Contended(_)) => {}
                Err(StoreError::Lost(_)) if !may_be_kept => {}
                outcome => return outcome,
            }
        }
        self.attempt_once(mode, waiting, work).1
    }

    /// Beside the outcome, whether a failure leaves it open what was kept.
    fn attempt_once<T, F>(&self, mode: Mode, waiting: &Waiting, work: F) -> (bool, Result<T, StoreError>)
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError>,
    {
        let mut pooled = match self.pool.get() {
            Ok(pooled) => pooled,
            Err(error) => return (false, Err(error.into())),
        };
        if let Err(given_up) = waiting.check() {
            return (false, Err(given_up));
        }
        let Pooled { conn, .. } = &mut *pooled;
        let (may_be_kept, outcome) = match mode {
            Mode::Read => (false, work(conn)),
            Mode::Statement => (true, work(conn)),
            Mode::Transaction => {
                // Lost before the work was done means lost before COMMIT.
                let mut is_done = false;
                let transaction = conn.transaction(|conn| {
                    let outcome = work(conn)?;
                    waiting.check()?;
                    is_done = true;
                    Ok(outcome)
                });
                (is_done, transaction)
            }
        };
        if matches!(outcome, Err(StoreError::Lost(_))) {
            pooled.is_spoilt = true;
            self.manager.note_loss();
        }
        (may_be_kept, outcome)
    }
}
