//! The session state machine against a model: thousands of random interleavings on the real store.

use std::time::Duration;

use super::support::Service;
use chancery::clock::Timestamp;
use chancery::store::sessions as table;
use chancery::tokens::session::{self, Opening, Policy, Session, SessionState};
use chancery::tokens::{RefreshToken, Rotation, SessionId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What may happen to a session.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Pass(u64),
    /// A token of this generation is presented, `back` before the current one.
    Present { back: u32 },
    /// The same token is presented by two requests that both read the session before either wrote.
    Race { back: u32, other_back: u32 },
    /// The session is closed.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..15).prop_map(Step::Pass),
        1 => (0u64..200).prop_map(Step::Pass),
        8 => prop_oneof![6 => Just(0u32), 3 => Just(1), 1 => 2u32..4].prop_map(|back| Step::Present { back }),
        4 => (0u32..2, 0u32..2).prop_map(|(back, other_back)| Step::Race { back, other_back }),
        1 => Just(Step::Close),
    ]
}

/// The table of the design, written down a second time in the simplest way.
#[derive(Clone, Debug)]
struct Model {
    policy: Policy,
    generation: u32,
    advanced_at: Timestamp,
    expires_at: Timestamp,
    ends_at: Timestamp,
    closed: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Good(u32),
    Reused,
    Refused,
}

impl Model {
    fn present(&mut self, generation: u32, now: Timestamp) -> Outcome {
        if self.closed || now >= self.expires_at {
            return Outcome::Refused;
        }
        if generation == self.generation {
            if self.policy.rotation {
                self.generation += 1;
            }
            self.advanced_at = now;
            self.expires_at = (now + self.policy.idle).min(self.ends_at);
            return Outcome::Good(self.generation);
        }
        if generation + 1 == self.generation
            && self.policy.leeway > Duration::ZERO
            && now <= self.advanced_at + self.policy.leeway
        {
            return Outcome::Good(self.generation);
        }
        self.closed = true;
        Outcome::Reused
    }
}

fn outcome(rotation: Rotation) -> Outcome {
    match rotation {
        Rotation::Advanced(token) | Rotation::Repeated(token) | Rotation::Kept(token) => {
            Outcome::Good(token.generation)
        }
        Rotation::Reused => Outcome::Reused,
        Rotation::Refused => Outcome::Refused,
    }
}

struct Real<'a> {
    service: &'a Service,
    system: &'a actix_rt::SystemRunner,
    id: SessionId,
    policy: Policy,
}

impl Real<'_> {
    fn read(&self) -> Session {
        let id = self.id;
        let row =
            self.system.block_on(self.service.store().read(move |conn| table::find(conn, id.as_bytes())));
        Session::from_row(&row.unwrap().unwrap()).unwrap()
    }

    /// Presents a token with the session as it was read at some earlier time.
    fn rotate(&self, read: Session, generation: u32, now: Timestamp) -> Outcome {
        let (presented, policy) = (RefreshToken { session: self.id, generation }, self.policy);
        let rotate = session::rotate(self.service.store(), &read, presented, policy, now);
        outcome(self.system.block_on(rotate).unwrap())
    }

    fn close(&self, now: Timestamp) {
        self.system.block_on(session::close(self.service.store(), self.id, "test", now)).unwrap();
    }
}

fn check(real: &Real<'_>, mut model: Model, steps: Vec<Step>, start: Timestamp) -> Result<(), TestCaseError> {
    let mut now = start;
    for step in steps {
        let current = model.generation;
        match step {
            Step::Pass(seconds) => now = now + Duration::from_secs(seconds),
            Step::Present { back } => {
                let generation = current.saturating_sub(back);
                prop_assert_eq!(real.rotate(real.read(), generation, now), model.present(generation, now));
            }
            Step::Race { back, other_back } => {
                let (one, other) = (current.saturating_sub(back), current.saturating_sub(other_back));
                let (early, earlier) = (real.read(), real.read());
                prop_assert_eq!(real.rotate(early, one, now), model.present(one, now));
                prop_assert_eq!(real.rotate(earlier, other, now), model.present(other, now));
            }
            Step::Close => {
                real.close(now);
                model.closed = true;
            }
        }
        let session = real.read();
        prop_assert_eq!(session.generation, model.generation);
        prop_assert_eq!(session.state != SessionState::Open, model.closed);
        prop_assert!(session.expires_at <= session.ends_at);
        prop_assert_eq!(session.ends_at, model.ends_at);
    }
    Ok(())
}

#[test]
fn the_store_agrees_with_the_model_over_random_histories() {
    let system = actix_rt::System::new();
    let service = system.block_on(Service::start());
    let (user, _) = system.block_on(async { (service.user("alice").await, service.public("web").await) });
    let strategy = (proptest::collection::vec(step(), 1..30), any::<bool>(), 0u64..20, 1u64..60, 30u64..300);
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let run = runner.run(&strategy, |(steps, rotation, leeway, idle, absolute)| {
        let seconds = Duration::from_secs;
        let policy =
            Policy { rotation, leeway: seconds(leeway), idle: seconds(idle), absolute: seconds(absolute) };
        let start = service.now();
        let id = SessionId::generate(start);
        let opening = Opening {
            user_id: user.id.clone(),
            client_id: "web".to_owned(),
            scope: String::new(),
            resource: None,
            amr: "pwd",
            address: "127.0.0.1".to_owned(),
            user_agent: None,
        };
        let row = session::open(id, opening, &policy, start);
        let model = Model {
            policy,
            generation: 0,
            advanced_at: start,
            expires_at: Timestamp::from_unix(row.expires_at),
            ends_at: Timestamp::from_unix(row.ends_at),
            closed: false,
        };
        system.block_on(service.store().write(move |conn| table::insert(conn, &row))).unwrap();
        let real = Real { service: &service, system: &system, id, policy };
        check(&real, model, steps, start)
    });
    run.unwrap();
}
