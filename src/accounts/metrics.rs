//! The hashing queue as Prometheus sees it.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::password::Hasher;
use crate::telemetry::{counter, gauge};

/// Shows how full the queue is.
#[derive(Debug)]
pub struct HasherMetrics(pub Hasher);

impl Collector for HasherMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let (free, refused) = self.0.load();
        gauge(
            &mut encoder,
            "chancery_password_places_free",
            "Logins for which there is room, being hashed or waiting",
            i64::try_from(free).unwrap_or(i64::MAX),
        )?;
        counter(
            &mut encoder,
            "chancery_password_refusals",
            "Logins that were told to come again, because there was no room",
            refused,
        )
    }
}
