//! News of the key ring by publish/subscribe, so that an instance hears of a rotation at once. It looks for itself every
//! few seconds anyway: a nudge that is lost costs nothing.

use std::time::Duration;

use deadpool_redis::redis::RedisError;
use deadpool_redis::redis::aio::PubSub;
use futures_util::{FutureExt, StreamExt};
use tokio::time::{sleep, timeout};

use super::{CONNECTING, Redis, Shared};

/// Where they are published.
pub(super) const CHANNEL: &str = "ring";
/// Between two attempts to subscribe.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two pieces of news.
const LULL: Duration = Duration::from_millis(50);
/// A subscription that says nothing for so long is made anew: it may have been cut without a sign.
const SILENCE: Duration = Duration::from_secs(60);

/// A subscription to them.
pub struct Nudges {
    redis: Redis,
    connection: Option<PubSub>,
}

impl Nudges {
    /// Subscribes when it is first asked.
    pub fn of(redis: &Redis) -> Self {
        Self { redis: redis.clone(), connection: None }
    }

    /// Waits until there may be news. Ends never when there is no Redis.
    pub async fn next(&mut self) {
        let Some(shared) = self.redis.0.clone() else { return std::future::pending().await };
        loop {
            if let Some(connection) = &mut self.connection {
                let mut messages = connection.on_message();
                if matches!(timeout(SILENCE, messages.next()).await, Ok(Some(_))) {
                    // However many there are, they all say the same.
                    sleep(LULL).await;
                    while let Some(Some(_)) = messages.next().now_or_never() {}
                    return;
                }
                drop(messages);
                self.connection = None;
                sleep(PAUSE).await;
            }
            self.connection =
                timeout(CONNECTING, Box::pin(subscribe(&shared))).await.ok().and_then(Result::ok);
            if self.connection.is_some() {
                return; // something may have been said before
            }
            sleep(PAUSE).await;
        }
    }
}

async fn subscribe(shared: &Shared) -> Result<PubSub, RedisError> {
    let mut connection = shared.source.subscriber().await?;
    connection.subscribe(shared.name(CHANNEL)).await?;
    Ok(connection)
}
