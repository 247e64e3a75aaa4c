//! PostgreSQL from async code: a pool whose every wait is bounded. A query belongs to its thread and its connection, not to
//! the request: requests that gave up cannot run more of them at once than there are connections.

mod jobs;
mod pool;
mod threads;

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use diesel::Connection as _;
use jobs::{Job, Jobs};
use pool::Pool;
use r2d2::ManageConnection as _;
use threads::Threads;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::{Connector, Manager};
use super::{Conn, Lane, StoreError};

/// How long a request waits for a connection.
const CHECKOUT: Duration = Duration::from_millis(500);
/// How long a statement may take: then PostgreSQL breaks it off, and nothing of it is kept.
const STATEMENT: Duration = Duration::from_millis(400);
/// How long a request waits in all: then it is told to come again. Longer than a connection and a statement may take, so
/// that its statement is not done after all.
const PATIENCE: Duration = Duration::from_millis(950);
/// How long PostgreSQL may take to tell, over a new connection, what it is doing.
const PROBE: Duration = Duration::from_secs(3);
/// So many times as many threads as there may be connections: the others are left behind with dead ones.
const THREADS: usize = 5;
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
    pool: Pool,
    manager: Manager,
    jobs: Jobs,
    /// Those of whoever asks would all be taken some day by jobs that were given up.
    threads: Threads,
    most: usize,
    /// One for each connection.
    all: Arc<Semaphore>,
    /// Those that are not kept for refreshes and revocations.
    unreserved: Arc<Semaphore>,
    /// Those that are not kept for reading: no limit ends a COMMIT that waits for a standby.
    writing: Arc<Semaphore>,
    patience: OnceLock<Duration>,
}

/// How many connections there are of each kind.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// At work.
    pub used: usize,
    /// As many as there may be at work.
    pub most: usize,
    /// Given up, and not closed yet.
    pub dead: usize,
    /// Given up since the start.
    pub given_up: u64,
}

impl Postgres {
    /// Connects when it is first needed.
    pub(super) fn new(connector: Connector, max_connections: u32) -> Result<Self, StoreError> {
        let manager = Manager::new(connector);
        let most = max_connections as usize;
        Ok(Self {
            pool: Pool::new(manager.clone()),
            manager,
            jobs: Jobs::default(),
            threads: Threads::new(THREADS * most)?,
            most,
            all: Arc::new(Semaphore::new(most)),
            unreserved: Arc::new(Semaphore::new(most - most.div_ceil(4))),
            writing: Arc::new(Semaphore::new(most - most.div_ceil(8))),
            patience: OnceLock::new(),
        })
    }

    /// From now on there are requests that wait.
    pub(super) fn hurry(&self) {
        self.manager.limit_statements(STATEMENT);
        self.patience.get_or_init(|| PATIENCE);
    }

    pub(super) fn connections(&self) -> Connections {
        let (dead, given_up) = self.jobs.dead();
        Connections { used: self.most - self.all.available_permits(), most: self.most, dead, given_up }
    }

    /// For once a second: replaces connections that are old, or have died without a sign.
    pub(super) async fn tend(&self) {
        self.close(self.pool.turn());
        let overdue = self.jobs.turn();
        // One more thread is for the question.
        if overdue.is_empty() || self.jobs.threads() >= THREADS * self.most {
            return;
        }
        let (job, manager) = (self.jobs.begin(Vec::new()), self.manager.clone());
        let backends = overdue.iter().filter_map(|job| job.backend).collect();
        let probe = self.threads.spawn(move || {
            let _job = job;
            manager.connect()?.conn.at_work(backends)
        });
        // When nothing is to be had from PostgreSQL at all, nothing would be gained.
        let Ok(Ok(at_work)) = timeout(PROBE, probe).await else { return };
        let is_dead = |job: &jobs::Overdue| job.backend.is_none_or(|backend| !at_work.contains(&backend));
        let count = self.jobs.give_up(overdue.into_iter().filter(is_dead));
        if count > 0 {
            tracing::warn!(count, "connections to PostgreSQL died without a sign, and are replaced");
            self.close(self.pool.empty());
        }
    }

    /// Says good-bye, which may take a moment.
    fn close(&self, connections: Vec<pool::Lease>) {
        if !connections.is_empty() {
            drop(self.threads.spawn(move || {
                drop(connections);
                Ok(())
            }));
        }
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
        let job = self.jobs.begin(permits);
        self.threads.spawn(move || this.attempt(&job, mode, &waiting, work)).await
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
    fn attempt<T, F>(&self, job: &Job, mode: Mode, waiting: &Waiting, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Clone,
    {
        for _ in 1..ATTEMPTS {
            let (may_be_kept, outcome) = self.attempt_once(job, mode, waiting, work.clone());
            match outcome {
                Err(StoreError::Contended(_)) => {}
                Err(StoreError::Lost(_)) if !may_be_kept => {}
                outcome => return outcome,
            }
        }
        self.attempt_once(job, mode, waiting, work).1
    }

    /// Beside the outcome, whether a failure leaves it open what was kept.
    fn attempt_once<T, F>(
        &self,
        job: &Job,
        mode: Mode,
        waiting: &Waiting,
        work: F,
    ) -> (bool, Result<T, StoreError>)
    where
        F: FnOnce(&mut Conn) -> Result<T, StoreError>,
    {
        let mut lease = match waiting.check().and_then(|()| self.pool.take(job)) {
            Ok(lease) => lease,
            Err(error) => return (false, Err(error)),
        };
        let (may_be_kept, outcome) = match waiting.check() {
            Ok(()) => carry_out(&mut lease.pooled.conn, mode, waiting, work),
            Err(given_up) => (false, Err(given_up)),
        };
        if matches!(outcome, Err(StoreError::Lost(_))) {
            self.manager.note_loss();
        } else if !job.is_given_up() {
            self.pool.give_back(lease);
        }
        (may_be_kept, outcome)
    }
}

/// Beside the outcome, whether a failure leaves it open what was kept.
fn carry_out<T, F>(conn: &mut Conn, mode: Mode, waiting: &Waiting, work: F) -> (bool, Result<T, StoreError>)
where
    F: FnOnce(&mut Conn) -> Result<T, StoreError>,
{
    match mode {
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
    }
}
