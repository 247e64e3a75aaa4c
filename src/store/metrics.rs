//! The database as Prometheus sees it from this instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{Store, StoreError};
use crate::telemetry::{counters, gauge};

/// What did not come about, by what went wrong; clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures(Arc<[AtomicU64; NAMES.len()]>);

const NAMES: [&str; 4] = ["unavailable", "lost", "contended", "overloaded"];

impl Failures {
    /// Counts what a retry may mend; refusals and faults of ours are the caller's to tell.
    pub(super) fn note<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        let which = match &outcome {
            Err(StoreError::Unavailable(_)) => 0,
            Err(StoreError::Lost(_)) => 1,
            Err(StoreError::Contended(_)) => 2,
            Err(StoreError::Overloaded) => 3,
            Ok(_) | Err(StoreError::Conflict(_) | StoreError::Corrupt(_)) => return outcome,
        };
        self.0[which].fetch_add(1, Ordering::Relaxed);
        outcome
    }
}

/// Shows the connections in use and what failed.
#[derive(Debug)]
pub struct StoreMetrics(pub Store);

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        if let Some((used, most)) = self.0.connections() {
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            gauge(
                &mut encoder,
                "chancery_database_connections_used",
                "Connections to PostgreSQL that are at work",
                number(used),
            )?;
            gauge(
                &mut encoder,
                "chancery_database_connections_max",
                "Connections to PostgreSQL that there may be",
                number(most),
            )?;
        }
        let counts = self.0.failures.0.iter().map(|count| count.load(Ordering::Relaxed));
        counters(
            &mut encoder,
            "chancery_database_failures",
            "What the database did not do, by what went wrong",
            "failure",
            &NAMES.into_iter().zip(counts).collect::<Vec<_>>(),
        )
    }
}
