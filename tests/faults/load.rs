//! A steady load of customers, and watchers that look at what must be answered whatever happens.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::client::{Client, Record};
use crate::clock::pause;
use crate::customer::{Customer, Tally};

/// Between two requests of a customer: the load is steady, not the most that there can be.
const PACE: Duration = Duration::from_millis(15);
/// Between two rounds of a watcher.
const ROUND: Duration = Duration::from_millis(50);
/// What needs neither a database nor Redis.
pub const DOCUMENTS: [&str; 4] = [
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/livez",
];

/// Runs something while all customers are at work and all servers are watched.
pub fn during<T>(
    record: &Record,
    customers: &mut [Customer],
    servers: &[SocketAddr],
    work: impl FnOnce() -> T,
) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _ends = End(&is_over);
        for customer in customers {
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    customer.act(record);
                    pause(PACE);
                }
            });
        }
        for server in servers {
            scope.spawn(|| watch(record, *server, &is_over));
        }
        work()
    })
}

fn watch(record: &Record, server: SocketAddr, is_over: &AtomicBool) {
    let mut client = Client::of(server);
    while !is_over.load(Ordering::SeqCst) {
        for path in DOCUMENTS {
            let answer = client.get(record, path);
            if answer.status != 200 {
                record.complain(format!("{path} is answered {answer:?}"));
            }
        }
        pause(ROUND);
    }
}

/// Ends the load, also when what ran beside it fails.
pub struct End<'a>(pub &'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What acknowledged requests did still holds.
pub fn settle(record: &Record, customers: &mut [Customer]) -> Tally {
    for customer in &mut *customers {
        customer.settle(record);
    }
    customers.iter().map(|customer| customer.tally).fold(Tally::default(), std::ops::Add::add)
}
