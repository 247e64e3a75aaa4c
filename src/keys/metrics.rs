//! The keys as Prometheus sees them. Read from the ring when they are asked for, so that a key that left is not shown.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{Keys, SigningKey};
use crate::clock::Timestamp;

/// Which key, and what of it.
type Labels = Vec<(&'static str, String)>;

/// Shows the published keys of an instance.
#[derive(Debug)]
pub struct KeyMetrics(pub Keys);

impl Collector for KeyMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (ring, now) = (self.0.ring(), self.0.clock.now());
        let keys = ring.published();
        let usage = |key: &SigningKey| self.0.usages.of(&key.kid);
        let mut family = |name, help, kind, samples: &dyn Fn(&SigningKey) -> Option<(Labels, Value)>| {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            for (labels, value) in keys.iter().filter_map(samples) {
                value.encode(metric.encode_family(&labels)?)?;
            }
            Ok::<_, std::fmt::Error>(())
        };
        family(
            "chancery_key_signatures",
            "Tokens that this instance signed with the key",
            MetricType::Counter,
            &|key| Some((labels(key), Value::Count(usage(key).signatures()))),
        )?;
        family(
            "chancery_key_last_signed_timestamp_seconds",
            "When this instance last signed with the key, in Unix time",
            MetricType::Gauge,
            &|key| usage(key).last().map(|time| (labels(key), Value::Seconds(time.as_unix()))),
        )?;
        family(
            "chancery_key_activated_timestamp_seconds",
            "When the key began to sign, in Unix time",
            MetricType::Gauge,
            &|key| key.activated_at().map(|time| (labels(key), Value::Seconds(time.as_unix()))),
        )?;
        family(
            "chancery_key_age_seconds",
            "How long ago the key was made or imported",
            MetricType::Gauge,
            &|key| Some((labels(key), Value::Seconds(seconds_between(key.created_at, now)))),
        )?;
        family("chancery_key_state", "1 for the state that the key is in", MetricType::Gauge, &|key| {
            let state = ("state", key.state.name().to_owned());
            Some(([labels(key), vec![state]].concat(), Value::Seconds(1)))
        })
    }
}

enum Value {
    Count(u64),
    Seconds(i64),
}

impl Value {
    fn encode(self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => ConstCounter::new(count).encode(encoder),
            Self::Seconds(seconds) => ConstGauge::new(seconds).encode(encoder),
        }
    }
}

fn labels(key: &SigningKey) -> Labels {
    vec![("kid", key.kid.clone()), ("algorithm", key.algorithm.to_string())]
}

fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    i64::try_from(later.since(earlier).as_secs()).unwrap_or(i64::MAX)
}
