//! Redis as Prometheus sees it from this instance.

use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Failure, Redis};

/// Shows whether Redis is in use, why not, and what it was good for. Shows nothing when there is none.
#[derive(Debug)]
pub struct RedisMetrics(pub Redis);

impl Collector for RedisMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (Some(shared), Some(health)) = (&self.0.0, self.0.health()) else { return Ok(()) };
        let help = "1 while Redis is in use, 0 while the database is asked instead";
        let up = encoder.encode_descriptor("chancery_redis_up", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(health.is_ok())).encode(up)?;
        let help = "Failures of Redis, by what went wrong";
        let mut failures =
            encoder.encode_descriptor("chancery_redis_failures", help, None, MetricType::Counter)?;
        for (failure, count) in Failure::ALL.iter().zip(&shared.failures) {
            let labels = [("failure", failure.name())];
            ConstCounter::new(count.load(Ordering::Relaxed)).encode(failures.encode_family(&labels)?)?;
        }
        let help = "Tokens that Redis knew to be refused, for which the database was not asked";
        let hits = encoder.encode_descriptor("chancery_redis_refusals", help, None, MetricType::Counter)?;
        ConstCounter::new(shared.refusals.load(Ordering::Relaxed)).encode(hits)
    }
}
