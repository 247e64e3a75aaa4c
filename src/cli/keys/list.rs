//! `chancery keys list`: a table, JSON, or a picture.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::{open, timeline};
use crate::cli::{Admin, Failure, output};
use crate::clock::Timestamp;
use crate::keys::{KeyError, KeyState, Promises, Promotion, SigningKey, rotation};

#[derive(Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Draw the keys over time: what was, and what the schedule will bring.
    #[arg(long, conflicts_with = "json")]
    timeline: bool,
}

const COLUMNS: [&str; 9] = [
    "kid",
    "algorithm",
    "state",
    "age",
    "published_since",
    "safe_to_promote_at",
    "leaves_JWKS_at",
    "signatures_alive",
    "promoted_by",
];

/// When the ring changes next: the same for all keys.
struct Plan {
    promotable_at: Timestamp,
    scheduled_at: Option<Timestamp>,
    now: Timestamp,
    /// For how long verifiers that honour the JWKS's max-age may not know of a revocation.
    cached_for: Duration,
}

impl Plan {
    /// Until when a token of the key may be accepted, as far as can be known; none when none is, or it signs still.
    fn signatures_until(&self, key: &SigningKey) -> Option<Timestamp> {
        match key.state {
            KeyState::Revoked { activated_at: Some(_), revoked_at, .. } => Some(revoked_at + self.cached_for),
            _ => key.signatures_until(),
        }
    }

    fn signatures_alive(&self, key: &SigningKey) -> bool {
        key.is_active() || self.signatures_until(key).is_some_and(|until| self.now < until)
    }
}

impl List {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let ring = match open(admin).await {
            Err(none @ KeyError::Empty) => {
                eprintln!("{none}.");
                return output::list(&[], &COLUMNS, self.json);
            }
            opened => opened?,
        };
        let keys = ring.list().await?;
        let (settings, own) = (&admin.settings.keys, Promises::of(&admin.settings.keys));
        let plan = Plan {
            promotable_at: rotation::promotable_at(&keys, own)?,
            scheduled_at: rotation::scheduled_at(&keys, own, settings.rotation_interval)?,
            now: admin.clock.now(),
            cached_for: settings.reload_interval + admin.settings.jwks.max_age,
        };
        if self.json {
            let described: Vec<_> = keys.iter().map(|key| describe(key, &plan)).collect();
            return output::json(&Value::Array(described));
        }
        if self.timeline {
            output::line(&timeline::draw(&keys, plan.scheduled_at, plan.now, output::width()))?;
        } else {
            let rows: Vec<_> = keys.iter().map(|key| row(key, &plan)).collect();
            output::list(&rows, &COLUMNS, false)?;
        }
        match plan.scheduled_at {
            Some(time) => eprintln!("By these settings a server rotates at {time}."),
            None => eprintln!("By these settings no server rotates: keys.rotation_interval is 0s."),
        }
        Ok(())
    }
}

fn describe(key: &SigningKey, plan: &Plan) -> Value {
    let (retired_at, revoked_at) = match key.state {
        KeyState::Next | KeyState::Active { .. } => (None, None),
        KeyState::Retired { retired_at, .. } => (Some(retired_at), None),
        KeyState::Revoked { retired_at, revoked_at, .. } => (retired_at, Some(revoked_at)),
    };
    let of_next = |time| (key.state == KeyState::Next).then_some(time);
    let time = |time: Option<Timestamp>| time.map(output::time);
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm.as_str(),
        "state": key.state.name(),
        "age_seconds": plan.now.since(key.created_at).as_secs(),
        "created_at": output::time(key.created_at),
        "published_at": output::time(key.published_at),
        "promotable_at": time(of_next(plan.promotable_at)),
        "scheduled_at": time(plan.scheduled_at.and_then(of_next)),
        "activated_at": time(key.activated_at()),
        "promoted_by": key.promoted_by.map(Promotion::name),
        "retired_at": time(retired_at),
        "revoked_at": time(revoked_at),
        "leaves_at": time(key.leaves_at()),
        "signatures_alive": plan.signatures_alive(key),
        "signatures_until": time(plan.signatures_until(key)),
    })
}

fn row(key: &SigningKey, plan: &Plan) -> Value {
    let is_next = key.state == KeyState::Next;
    let alive = match plan.signatures_until(key) {
        Some(until) if plan.now < until => format!("at most until {until}"),
        _ => if key.is_active() { "yes" } else { "no" }.to_owned(),
    };
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm.as_str(),
        "state": key.state.name(),
        "age": age(plan.now.since(key.created_at)),
        "published_since": output::time(key.published_at),
        "safe_to_promote_at": is_next.then(|| output::time(plan.promotable_at)),
        "leaves_JWKS_at": key.leaves_at().map(output::time),
        "signatures_alive": alive,
        "promoted_by": key.promoted_by.map(Promotion::name),
    })
}

/// In days, or what is left below one.
fn age(age: Duration) -> String {
    let day = 24 * 3600;
    let coarse = if age.as_secs() >= day { age.as_secs() / day * day } else { age.as_secs() };
    humantime::format_duration(Duration::from_secs(coarse)).to_string()
}
