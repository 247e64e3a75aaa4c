//! PostgreSQL fails in every way there is. Nothing is acknowledged that is not kept, whatever cannot be done is answered
//! `503` within a second, and all is well again by itself.

use std::cell::RefCell;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::alone;
use crate::clock::{now, pause};
use crate::outage::{Extent, Rig, Walled};
use crate::process::DATABASE;
use crate::process::postgres::Postgres;

/// How long all is ill.
const ILL: Duration = Duration::from_secs(2);
const AT_ONCE: Duration = Duration::ZERO;
const CONNECTIONS: u32 = 16;
/// Every connection of the server, and only those.
pub const TERMINATE: &str =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chancery'";
const SERVER_CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'chancery'";

#[test]
fn postgres_may_be_killed_and_started_again() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let kill = |base: &mut Walled| {
        base.postgres.stop_immediately();
        ILL
    };
    rig.withstand(Extent::Whole, kill, |base| base.postgres.start_again());
}

#[test]
fn postgres_may_be_out_of_reach() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let refuse = |base: &mut Walled| {
        base.wall.refuse();
        ILL
    };
    rig.withstand(Extent::Whole, refuse, |base| base.wall.pass());
}

#[test]
fn what_is_sent_to_postgres_may_be_held_up() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let swallow = |base: &mut Walled| {
        base.wall.black_hole();
        ILL
    };
    rig.withstand(Extent::Whole, swallow, |base| base.wall.pass());
}

#[test]
fn connections_may_be_terminated_again_and_again() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let terminate = |base: &mut Walled| {
        let end = now() + ILL;
        while now() < end {
            base.postgres.execute(TERMINATE);
            pause(Duration::from_millis(30));
        }
        AT_ONCE
    };
    rig.withstand(Extent::Part, terminate, |_| {});
}

#[test]
fn a_lock_may_exhaust_the_pool() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), 4);
    let holder = RefCell::new(None);
    let lock = |base: &mut Walled| {
        let mut connection = base.postgres.connect(DATABASE);
        connection.batch_execute("BEGIN; LOCK TABLE sessions, blacklist, key_ring").unwrap();
        holder.replace(Some(connection));
        ILL
    };
    rig.withstand(Extent::Whole, lock, |_| drop(holder.take()));
}

#[test]
fn a_lock_that_is_held_for_a_second_spends_no_token_behind_its_clients_back() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let lock = |base: &mut Walled| {
        let mut holder = base.postgres.connect(DATABASE);
        for _ in 0..3 {
            // Others may read meanwhile: it is the compare-and-swap that waits.
            holder.batch_execute("BEGIN; LOCK TABLE sessions IN EXCLUSIVE MODE").unwrap();
            pause(Duration::from_millis(1200));
            holder.batch_execute("COMMIT").unwrap();
            pause(Duration::from_millis(200));
        }
        AT_ONCE
    };
    let tally = rig.withstand(Extent::Part, lock, |_| {});
    assert_eq!(tally.lost, 0, "{tally:?}");
}

#[test]
fn postgres_may_take_no_more_connections() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start_with(&[("max_connections", "20")]), CONNECTIONS);
    let others = RefCell::new(Vec::new());
    let crowd_out = |base: &mut Walled| {
        // One of these is for terminating the others.
        let mut administrator = base.postgres.connect(DATABASE);
        let url = base.postgres.url(DATABASE);
        // No place is left, and the server has none. A place becomes free some time after its connection is gone, so
        // this must be seen again and again.
        let mut seen_full = 0;
        for _ in 0..400 {
            let more: Vec<_> = (0..20).map_while(|_| PgConnection::establish(&url).ok()).collect();
            if more.is_empty() && count(&mut administrator, SERVER_CONNECTIONS) == 0 {
                seen_full += 1;
                if seen_full == 10 {
                    break;
                }
                pause(Duration::from_millis(10));
                continue;
            }
            seen_full = 0;
            others.borrow_mut().extend(more);
            administrator.batch_execute(TERMINATE).unwrap();
        }
        assert_eq!(seen_full, 10);
        others.borrow_mut().push(administrator);
        ILL
    };
    rig.withstand(Extent::Whole, crowd_out, |_| others.borrow_mut().clear());
}

fn count(connection: &mut PgConnection, query: &str) -> i64 {
    use diesel::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    diesel::sql_query(query).get_result::<Count>(connection).unwrap().count
}
