//! Tables `key_ring`, `signing_keys` and `mac_keys`. Private halves arrive here sealed.

use diesel::prelude::*;

use super::schema::{key_ring, mac_keys, signing_keys};
use super::sessions::{self, Selection, Swap};
use super::{Conn, StoreError};

/// A signing key's row.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = signing_keys, treat_none_as_null = true)]
pub struct SigningKeyRow {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// JWS algorithm.
    pub algorithm: String,
    /// `next`, `active`, `retired` or `revoked`.
    pub state: String,
    /// Public JWK as JSON.
    pub public_jwk: String,
    /// Compact JWE; none once destroyed.
    pub sealed_private_jwk: Option<String>,
    /// Unix seconds; so are the others.
    pub created_at: i64,
    /// When it entered the JWKS.
    pub published_at: i64,
    /// When it began to sign.
    pub activated_at: Option<i64>,
    /// When it ceased to sign, or was replaced before it did.
    pub retired_at: Option<i64>,
    /// When it was withdrawn.
    pub revoked_at: Option<i64>,
    /// What let it sign.
    pub promoted_by: Option<String>,
    /// Seconds: how long verifiers may not know of a key that is published while this one is.
    pub propagation_time: i64,
    /// Seconds: how long it stays published once retired.
    pub retention: i64,
}

/// A key that authenticates refresh tokens.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = mac_keys)]
pub struct MacKeyRow {
    /// Stands in every refresh token: 0 to 255.
    pub id: i32,
    /// Compact JWE.
    pub sealed_jwk: String,
    /// Unix seconds.
    pub created_at: i64,
}

/// The whole ring as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRows {
    /// Grows with every change.
    pub version: i64,
    /// Oldest first.
    pub signing: Vec<SigningKeyRow>,
    /// By id.
    pub mac: Vec<MacKeyRow>,
}

/// A change of the ring: all of it, or nothing when the ring is not at `version` any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RingChange {
    /// What it was made from.
    pub version: i64,
    /// Signing keys to add or overwrite, in an order that never has two keys in one state.
    pub signing: Vec<SigningKeyRow>,
    /// Signing keys to forget.
    pub forgotten: Vec<String>,
    /// The MAC keys from now on; none: as they are.
    pub mac: Option<Vec<MacKeyRow>>,
    /// Whether every session is closed, and when and why.
    pub close_sessions: Option<(i64, &'static str)>,
}

/// The ring's version alone: what instances poll.
pub fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(key_ring::table.find(1).select(key_ring::version).get_result(conn)?)
}

/// Whether the ring is at this version, and it stays there until the transaction ends.
pub fn hold(conn: &mut Conn, version: i64) -> Result<bool, StoreError> {
    let seen = key_ring::table.find(1).filter(key_ring::version.eq(version));
    Ok(diesel::update(seen).set(key_ring::version.eq(version)).execute(conn)? == 1)
}

/// Everything. The version is read first, so that a change in between shows as a newer version at the next poll.
pub fn load(conn: &mut Conn) -> Result<RingRows, StoreError> {
    Ok(RingRows {
        version: version(conn)?,
        signing: signing_keys::table
            .order((signing_keys::created_at.asc(), signing_keys::kid.asc()))
            .select(SigningKeyRow::as_select())
            .load(conn)?,
        mac: mac_keys::table.order(mac_keys::id.asc()).select(MacKeyRow::as_select()).load(conn)?,
    })
}

/// Makes a change within this transaction, if nobody made another since its version was read. Counts the sessions that
/// it closed.
pub fn apply(conn: &mut Conn, change: &RingChange) -> Result<(Swap, usize), StoreError> {
    let seen = key_ring::table.find(1).filter(key_ring::version.eq(change.version));
    if diesel::update(seen).set(key_ring::version.eq(change.version + 1)).execute(conn)? != 1 {
        return Ok((Swap::Lost, 0));
    }
    for key in &change.signing {
        put_signing(conn, key)?;
    }
    let forgotten = signing_keys::table.filter(signing_keys::kid.eq_any(&change.forgotten));
    diesel::delete(forgotten).execute(conn)?;
    if let Some(keys) = &change.mac {
        diesel::delete(mac_keys::table).execute(conn)?;
        for key in keys {
            diesel::insert_into(mac_keys::table).values(key).execute(conn)?;
        }
    }
    let closed = match change.close_sessions {
        Some((now, reason)) => sessions::close_all(conn, &Selection::All, reason, now)?,
        None => 0,
    };
    Ok((Swap::Won, closed))
}

fn put_signing(conn: &mut Conn, key: &SigningKeyRow) -> Result<(), StoreError> {
    if diesel::update(signing_keys::table.find(&key.kid)).set(key).execute(conn)? == 0 {
        diesel::insert_into(signing_keys::table).values(key).execute(conn)?;
    }
    Ok(())
}
