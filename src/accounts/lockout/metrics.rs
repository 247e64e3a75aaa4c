//! Refused guesses as Prometheus sees them.

use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{Limit, Lockout};
use crate::telemetry::counters;

/// Shows which limits are hit.
#[derive(Debug)]
pub struct LockoutMetrics(pub Lockout);

impl Collector for LockoutMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let counts = self.0.0.refusals.iter().map(|count| count.load(Ordering::Relaxed));
        counters(
            &mut encoder,
            "chancery_guesses_refused",
            "Guesses at a secret that were not looked at, by what had seen too many wrong ones",
            "limit",
            &Limit::ALL.map(Limit::name).into_iter().zip(counts).collect::<Vec<_>>(),
        )
    }
}
