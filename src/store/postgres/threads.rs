//! Threads that may be left behind.

use tokio::runtime::{Builder, Runtime};

use crate::store::StoreError;

/// At most so many; each is begun when it is needed, and ends when it was idle for a while.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn new(most: usize) -> Result<Self, StoreError> {
        let runtime =
            Builder::new_current_thread().max_blocking_threads(most).thread_name("postgres").build();
        runtime
            .map(|runtime| Self(Some(runtime)))
            .map_err(|cause| StoreError::Unavailable(format!("no threads can be begun: {cause}")))
    }

    /// Begins at once; the outcome may be left alone.
    pub(super) fn spawn<T, W>(&self, work: W) -> impl Future<Output = Result<T, StoreError>> + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T, StoreError> + Send + 'static,
    {
        let begun = self.0.as_ref().map(|runtime| runtime.spawn_blocking(work));
        async {
            let Some(begun) = begun else { return Err(ended(&"ended")) };
            begun.await.unwrap_or_else(|failure| Err(ended(&failure)))
        }
    }
}

fn ended(cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(cause.to_string())
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waits for none of them, as dropping the runtime would.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}
