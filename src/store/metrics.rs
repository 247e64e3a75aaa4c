//! The database as Prometheus sees it from this instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{Connections, Store, StoreError};
use crate::telemetry::{counter, counters, gauge};

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
        if let Some(connections) = self.0.connections() {
            encode_connections(&mut encoder, connections)?;
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

fn encode_connections(
    encoder: &mut DescriptorEncoder<'_>,
    Connections { used, most, dead, given_up }: Connections,
) -> std::fmt::Result {
    for (name, help, count) in [
        ("used", "Connections to PostgreSQL that are at work", used),
        ("max", "Connections to PostgreSQL that there may be", most),
        ("dead", "Connections to PostgreSQL that died without a sign, and that are not closed yet", dead),
    ] {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        gauge(encoder, &format!("chancery_database_connections_{name}"), help, count)?;
    }
    let help = "Connections to PostgreSQL that died without a sign and were replaced";
    counter(encoder, "chancery_database_connections_given_up", help, given_up)
}
