//! Group commit for SQLite: one thread owns the only writing connection, takes whatever writes are waiting into a
//! single transaction (a savepoint each), and answers all of them after its COMMIT. Durability is paid once a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use diesel::Connection as _;
use diesel::connection::{AnsiTransactionManager, TransactionManager, TransactionManagerStatus};
use tokio::sync::oneshot;

use super::connection::DatabaseFile;
use super::{Conn, StoreError};

type Manager = <Conn as diesel::Connection>::TransactionManager;

/// Writes that may wait; one more is refused.
const QUEUE: usize = 1024;
/// Writes in one transaction at the most, so that the first of them does not wait for long.
const BATCH: usize = 128;

/// What keeps a write that is refused from leaving half of itself in the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Atomicity {
    /// It is one statement, which SQLite does wholly or not at all.
    Statement,
    /// It has a savepoint.
    Savepoint,
}

/// Hands writes to the writer thread, which ends when the last handle is gone and the queue is empty.
#[derive(Clone)]
pub(super) struct Writer {
    queue: SyncSender<Box<dyn Job>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    pub(super) fn start(conn: Conn, file: DatabaseFile) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(conn, &file, &jobs))
            .map_err(|cause| StoreError::Unavailable(cause.to_string()))?;
        Ok(Self { queue })
    }

    pub(super) async fn submit<T, F>(&self, atomicity: Atomicity, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Write { atomicity, work: Some(work), outcome: None, reply };
        self.queue.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded,
            TrySendError::Disconnected(_) => lost(),
        })?;
        answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("the write was abandoned".to_owned())
}

/// One waiting write: worked inside the batch, answered after the batch's fate is known.
trait Job: Send {
    /// Works within the batch. An error means that the connection's transaction cannot be trusted any more.
    fn work(&mut self, conn: &mut Conn) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, batch: Result<(), String>);
}

struct Write<T, F> {
    atomicity: Atomicity,
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&mut Conn) -> Result<T, StoreError> + Send,
{
    fn work(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else { return Ok(()) };
        let outcome = match self.atomicity {
            Atomicity::Statement => work(conn),
            Atomicity::Savepoint => conn.transaction(work),
        };
        match outcome {
            // SQLite may already have rolled the whole transaction back (disk full, I/O error).
            Err(StoreError::Unavailable(cause)) => Err(StoreError::Unavailable(cause)),
            outcome => {
                self.outcome = Some(outcome);
                Ok(())
            }
        }
    }

    fn answer(self: Box<Self>, batch: Result<(), String>) {
        let outcome = match batch {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(lost())),
            Err(cause) => Err(StoreError::Unavailable(cause)),
        };
        // Nobody may be listening any more; what was committed stays committed.
        let _ = self.reply.send(outcome);
    }
}

fn run(mut conn: Conn, file: &DatabaseFile, jobs: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(jobs.try_iter().take(BATCH - 1));
        let result = file.check().and_then(|()| commit(&mut conn, &mut batch)).map_err(|error| match error {
            StoreError::Unavailable(cause) => cause,
            other => other.to_string(),
        });
        for job in batch {
            job.answer(result.clone());
        }
    }
}

fn commit(conn: &mut Conn, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    begin(conn)?;
    let worked = catch_unwind(AssertUnwindSafe(|| batch.iter_mut().try_for_each(|job| job.work(conn))))
        .unwrap_or_else(|_| Err(StoreError::Unavailable("a write panicked".to_owned())));
    let committed = worked.and_then(|()| Ok(Manager::commit_transaction(conn)?));
    if committed.is_err() {
        abandon(conn);
    }
    committed
}

/// `BEGIN IMMEDIATE`: the lock is taken before anything is read, so that what a write has read still holds when it
/// writes, whatever another process does.
fn begin(conn: &mut Conn) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(inner) => Ok(AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE")?),
        Conn::Postgres(_) => Ok(Manager::begin_transaction(conn)?),
    }
}

/// Rolls back every level that diesel believes to be open; SQLite may have done so by itself.
fn abandon(conn: &mut Conn) {
    for _ in 0..4 {
        if Manager::rollback_transaction(conn).is_err() {
            break;
        }
    }
    if let Conn::Sqlite(inner) = conn {
        use diesel::connection::SimpleConnection;
        // Fails when there is nothing to roll back, which is what is wanted.
        let _ = inner.batch_execute("ROLLBACK");
        *AnsiTransactionManager::transaction_manager_status_mut(inner) = TransactionManagerStatus::default();
    }
}
