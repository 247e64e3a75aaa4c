//! The connection to PostgreSQL is cut in the middle of what makes a change last. Whoever was not told so may find it done
//! or not, but nobody is told so who does not find it done.

use std::time::Duration;

use crate::alone;
use crate::clock::await_within;
use crate::customer::Tally;
use crate::outage::{Extent, Rig, Walled};
use crate::process::postgres::Postgres;
use crate::trap::{Moment, Statement, Trap};

const CUTS: usize = 40;
const PATIENCE: Duration = Duration::from_secs(30);

fn cut(statement: Statement, moment: Moment) -> Tally {
    let mut rig = Rig::start(Postgres::start(), 16);
    let spring = |base: &mut Walled| {
        base.wall.set_trap(Trap { statement, moment, left: CUTS });
        await_within(PATIENCE, "all cuts", || base.wall.trap_left() == 0);
        Duration::ZERO
    };
    rig.withstand(Extent::Part, spring, |_| {})
}

#[test]
fn a_refresh_whose_statement_never_arrives_spends_nothing() {
    let _alone = alone();
    let tally = cut(Statement::Advance, Moment::BeforeItArrives);
    assert!(tally.put_off >= CUTS, "{tally:?}");
    assert_eq!(tally.lost, 0, "{tally:?}");
}

#[test]
fn a_refresh_whose_answer_is_lost_is_never_acknowledged() {
    let _alone = alone();
    let tally = cut(Statement::Advance, Moment::BeforeItIsAnswered);
    assert!(tally.put_off >= CUTS, "{tally:?}");
    // The strict client's are taken for stolen: it cannot be told from a thief's.
    assert!(tally.lost > 0, "{tally:?}");
}

#[test]
fn a_commit_that_never_arrives_keeps_nothing() {
    let _alone = alone();
    let tally = cut(Statement::Commit, Moment::BeforeItArrives);
    assert!(tally.put_off >= CUTS / 2, "{tally:?}");
    assert_eq!(tally.lost, 0, "{tally:?}");
}

#[test]
fn a_commit_whose_answer_is_lost_is_never_acknowledged() {
    let _alone = alone();
    let tally = cut(Statement::Commit, Moment::BeforeItIsAnswered);
    assert!(tally.put_off >= CUTS / 2, "{tally:?}");
    assert_eq!(tally.lost, 0, "{tally:?}");
}
