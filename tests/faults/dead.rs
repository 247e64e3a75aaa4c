//! Connections to PostgreSQL die without a sign, as behind a proxy that forgot them: they stay open, and nothing comes of
//! them any more. Others take their place, and only theirs.

use std::time::Duration;

use crate::alone;
use crate::client::{Client, Excuse, Record};
use crate::clock::{await_within, now, pause};
use crate::outage::{Extent, LOGIN, Rig, Walled};
use crate::postgres::TERMINATE;
use crate::process::postgres::Postgres;
use crate::trap::{Moment, Statement, Trap};

const CONNECTIONS: u32 = 4;
const ILL: Duration = Duration::from_secs(2);
/// Longer than it takes to find out, and to ask again.
const LONG: Duration = Duration::from_secs(8);
const SOON: Duration = Duration::from_secs(10);
const DEAD: &str = "chancery_database_connections_dead";
const GIVEN_UP: &str = "chancery_database_connections_given_up_total";

#[test]
fn connections_may_die_without_a_sign_again_and_again() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    for _ in 0..3 {
        let freeze = |base: &mut Walled| {
            base.wall.freeze();
            ILL
        };
        rig.withstand(Extent::Part, freeze, |_| {});
    }
    let (dead, given_up) = (rig.server.metric(DEAD), rig.server.metric(GIVEN_UP));
    eprintln!("{dead} dead, {given_up} given up");
    assert!(dead >= 3 && given_up >= dead, "{dead} {given_up}");
    assert!(!rig.server.lines(&["WARN", "died without a sign"]).is_empty());
    // Whoever forgot them has ended.
    rig.base.wall.cut();
    await_within(SOON, "none is dead", || rig.server.metric(DEAD) == 0);
}

#[test]
fn connections_may_die_while_they_are_made() {
    let _alone = alone();
    let mut rig = Rig::start(Postgres::start(), CONNECTIONS);
    let begin = |base: &mut Walled| {
        base.wall.set_trap(Trap { statement: Statement::Settings, moment: Moment::Never, left: usize::MAX });
        base.postgres.execute(TERMINATE);
        LONG
    };
    let disarmed = Trap { statement: Statement::Settings, moment: Moment::Never, left: 0 };
    rig.withstand(Extent::Whole, begin, |base| base.wall.set_trap(disarmed));
}

#[test]
fn a_commit_that_waits_for_a_standby_is_not_taken_for_dead() {
    let _alone = alone();
    let rig = Rig::start(Postgres::start(), CONNECTIONS);
    let standbys = |names: &str| {
        rig.base.postgres.execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        rig.base.postgres.execute("SELECT pg_reload_conf()");
    };
    let (record, mut client) = (Record::new(Excuse::Outage), Client::of(rig.server.address()));
    assert_eq!(client.post(&record, "/token", LOGIN).status, 200);
    standbys("nobody");
    let gone = now();
    while now() < gone + LONG {
        client.post(&record, "/token", LOGIN);
        pause(Duration::from_millis(100));
    }
    assert_eq!((rig.server.metric(DEAD), rig.server.metric(GIVEN_UP)), (0, 0));
    standbys("");
    await_within(SOON, "logins", || client.post(&record, "/token", LOGIN).status == 200);
}
