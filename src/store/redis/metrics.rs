//! Redis as Prometheus sees it from this instance.

use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{Failure, Redis};
use crate::telemetry::{counter, counters, gauge};

/// Shows whether Redis is in use, why not, and what it was good for. Shows nothing when there is none.
#[derive(Debug)]
pub struct RedisMetrics(pub Redis);

impl Collector for RedisMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (Some(shared), Some(health)) = (&self.0.0, self.0.health()) else { return Ok(()) };
        gauge(
            &mut encoder,
            "chancery_redis_up",
            "1 while Redis is in use, 0 while the database is asked instead",
            i64::from(health.is_ok()),
        )?;
        let failures = Failure::ALL.map(Failure::name).into_iter();
        let counts = shared.failures.iter().map(|count| count.load(Ordering::Relaxed));
        counters(
            &mut encoder,
            "chancery_redis_failures",
            "Failures of Redis, by what went wrong",
            "failure",
            &failures.zip(counts).collect::<Vec<_>>(),
        )?;
        counter(
            &mut encoder,
            "chancery_redis_refusals",
            "Tokens that Redis knew to be refused, for which the database was not asked",
            shared.refusals.load(Ordering::Relaxed),
        )
    }
}
