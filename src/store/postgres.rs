//! PostgreSQL from async code: a pool whose every wait is bounded. A query belongs to its thread and its connection, not to
//! the request: requests that gave up cannot run more of them at once than there are connections.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use diesel::Connection as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::connection::{Connector, Manager, Pooled};
use super::{Conn, Lane, StoreError};

/// How long a request waits for a connection.
const CHECKOUT: Duration = Duration::from_millis(500);
/// How long a request waits in all: then it is told to come again, whatever becomes of its query.
const PATIENCE: Duration = Duration::from_millis(900);
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

/// The pool and what bounds the waiting for it.
#[derive(Debug)]
pub(super) struct Postgres {
    pool: r2d2::Pool<Manager>,
    manager: Manager,
    /// One for each connection.
    all: Arc<Semaphore>,
    /// Those that are not kept for refreshes and revocations.
    unreserved: Arc<Semaphore>,
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
            .error_handler(Box::new(r2d2::NopErrorHandler)) // whoever waits for the connection is told
            .build_unchecked(manager.clone());
        let all = max_connections as usize;
        Self {
            pool,
            manager,
            all: Arc::new(Semaphore::new(all)),
            unreserved: Arc::new(Semaphore::new(all - all.div_ceil(4))),
            patience: OnceLock::new(),
        }
    }

    /// From now on there are requests that wait.
    pub(super) fn hurry(&self) {
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
            let permits = self.permits(lane).await;
            return self.perform(permits, mode, work).await;
        };
        let hurried = async {
            let permits = timeout(CHECKOUT, self.permits(lane)).await.map_err(|_| StoreError::Overloaded)?;
            self.perform(permits, mode, work).await
        };
        timeout(patience, hurried).await.unwrap_or_else(|_| {
            // It may hang: the others are looked at before they are used.
            self.manager.note_loss();
            Err(StoreError::Unavailable("no answer in time".to_owned()))
        })
    }

    async fn perform<T, F>(self: &Arc<Self>, permits: Permits, mode: Mode, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        let this = Arc::clone(self);
        let job = move || {
            let _held = permits;
            this.attempt(mode, work)
        };
        spawn_blocking(job).await.unwrap_or_else(|failure| Err(StoreError::Unavailable(failure.to_string())))
    }

    async fn permits(&self, lane: Lane) -> Permits {
        let semaphores = match lane {
            Lane::Reserved => vec![&self.all],
            Lane::Unreserved => vec![&self.unreserved, &self.all],
        };
        let mut permits = Vec::with_capacity(semaphores.len());
        for semaphore in semaphores {
            permits.extend(Arc::clone(semaphore).acquire_owned().await);
        }
        permits
    }

    /// Works, again if the database broke it off and it surely kept nothing of it.
    fn attempt<T, F>(&self, mode: Mode, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone,
    {
        for _ in 1..ATTEMPTS {
            let (may_be_kept, outcome) = self.attempt_once(mode, work.clone());
            match outcome {
                Err(StoreError::Contended(_)) => {}
                Err(StoreError::Lost(_)) if !may_be_kept => {}
                outcome => return outcome,
            }
        }
        self.attempt_once(mode, work).1
    }

    /// Beside the outcome, whether a failure leaves it open what was kept.
    fn attempt_once<T, F>(&self, mode: Mode, work: F) -> (bool, Result<T, StoreError>)
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError>,
    {
        let mut pooled = match self.pool.get() {
            Ok(pooled) => pooled,
            Err(error) => return (false, Err(error.into())),
        };
        let Pooled { conn, .. } = &mut *pooled;
        let (may_be_kept, outcome) = match mode {
            Mode::Read => (false, work(conn)),
            Mode::Statement => (true, work(conn)),
            Mode::Transaction => {
                // Lost before the work was done means lost before COMMIT.
                let mut is_done = false;
                let transaction = conn.transaction(|conn| work(conn).inspect(|_| is_done = true));
                (is_done, transaction)
            }
        };
        if matches!(outcome, Err(StoreError::Lost(_))) {
            self.manager.note_loss();
        }
        (may_be_kept, outcome)
    }
}
