//! Turning the second factor on and off, each in one transaction that locks the user first: a login under way comes wholly
//! before or wholly after. Whatever changes it closes the user's other sessions.

use super::{Factor, RecoveryCode};
use crate::accounts::User;
use crate::accounts::self_service::Confirmation;
use crate::clock::Timestamp;
use crate::store::sessions::{self, Selection};
use crate::store::totp::{self as table, TotpRow};
use crate::store::{Conn, Store, StoreError, keys, users};

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is made.
    Done,
    /// There is a second factor already.
    AlreadyOn,
    /// The code was spent by somebody who was first.
    CodeSpent,
    /// Something that it rests on was changed meanwhile.
    Raced,
}

/// A new app's secret, as it is stored until the user shows a code of it.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Sealed.
    pub secret: String,
    /// It must not be stored under another version of the key ring.
    pub ring_version: i64,
}

/// Whether the user's logins need a code.
pub async fn is_on(store: &Store, user: &User) -> Result<bool, StoreError> {
    let id = user.id.clone();
    store.read(move |conn| table::is_on(conn, &id)).await
}

/// Stores the secret of an app that is to be confirmed, in place of another one.
pub async fn propose(
    store: &Store,
    confirmation: Confirmation,
    proposal: Proposal,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let propose = move |conn: &mut Conn| {
        if !confirmation.hold(conn, now)? || !keys::hold(conn, proposal.ring_version)? {
            return Ok(Outcome::Raced);
        }
        let is_stored = table::propose(conn, &confirmation.user, proposal.secret)?;
        Ok(if is_stored { Outcome::Done } else { Outcome::AlreadyOn })
    };
    store.write(propose).await
}

/// Turns on what was proposed, as it was read, after a code of this step in this session.
pub async fn confirm(
    store: &Store,
    seen: TotpRow,
    session: Vec<u8>,
    step: i64,
    codes: &[RecoveryCode],
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let hashes = hashes(codes, &seen.user_id);
    let confirm = move |conn: &mut Conn| {
        let (user, now) = (&seen.user_id, now.as_unix());
        let is_there = users::lock(conn, user, now)? && sessions::is_open(conn, &session)?;
        if !is_there || !table::confirm(conn, &seen, step, now)? {
            return Ok(Outcome::Raced);
        }
        table::replace_recovery_codes(conn, user, &hashes)?;
        let others = Selection::Others { user: user.clone(), than: session };
        sessions::close_all(conn, &others, "totp_enabled", now)?;
        Ok(Outcome::Done)
    };
    store.write(confirm).await
}

/// Puts new recovery codes in place of those there are.
pub async fn replace_recovery_codes(
    store: &Store,
    confirmation: Confirmation,
    factor: Factor,
    codes: &[RecoveryCode],
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    let hashes = hashes(codes, &confirmation.user);
    with_code(store, confirmation, factor, now, move |conn, confirmation| {
        table::replace_recovery_codes(conn, &confirmation.user, &hashes)
    })
    .await
}

/// Removes the app and the recovery codes.
pub async fn turn_off(
    store: &Store,
    confirmation: Confirmation,
    factor: Factor,
    now: Timestamp,
) -> Result<Outcome, StoreError> {
    with_code(store, confirmation, factor, now, move |conn, confirmation| {
        table::remove(conn, &confirmation.user)?;
        sessions::close_all(conn, &confirmation.others(), "totp_disabled", now.as_unix())?;
        Ok(())
    })
    .await
}

/// For a user who lost both the app and the recovery codes: takes the second factor away and closes the sessions. False
/// when there was none.
pub async fn reset(store: &Store, user: &User, now: Timestamp) -> Result<bool, StoreError> {
    let id = user.id.clone();
    let reset = move |conn: &mut Conn| {
        users::lock(conn, &id, now.as_unix())?;
        let was_on = table::is_on(conn, &id)?;
        table::remove(conn, &id)?;
        if was_on {
            sessions::close_all(conn, &Selection::User(id), "totp_reset", now.as_unix())?;
        }
        Ok(was_on)
    };
    store.write(reset).await
}

/// What takes the password and a code.
async fn with_code<F>(
    store: &Store,
    confirmation: Confirmation,
    factor: Factor,
    now: Timestamp,
    work: F,
) -> Result<Outcome, StoreError>
where
    F: FnOnce(&mut Conn, &Confirmation) -> Result<(), StoreError> + Clone + Send + 'static,
{
    let change = move |conn: &mut Conn| {
        if !confirmation.hold(conn, now)? {
            return Ok(Outcome::Raced);
        }
        if !factor.spend(conn, &confirmation.user)? {
            return Ok(Outcome::CodeSpent);
        }
        work(conn, &confirmation)?;
        Ok(Outcome::Done)
    };
    store.write(change).await
}

fn hashes(codes: &[RecoveryCode], user_id: &str) -> Vec<Vec<u8>> {
    codes.iter().map(|code| code.hash(user_id)).collect()
}
