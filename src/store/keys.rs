//! Tables `key_ring`, `signing_keys` and `mac_keys`. Private halves arrive here sealed.

use diesel::prelude::*;

use super::schema::{key_ring, mac_keys, signing_keys};
use super::sessions::Swap;
use super::{Conn, StoreError};

/// A signing key's row.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = signing_keys, treat_none_as_null = true)]
pub struct SigningKeyRow {
    /// RFC 7638 thumbprint.
    pub kid: String,
    /// JWS algorithm.
    pub algorithm: String,
    /// `next`, `active` or `retired`.
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
    /// When it ceased to sign.
    pub retired_at: Option<i64>,
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

/// The ring's version alone: what instances poll.
pub fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(key_ring::table.find(1).select(key_ring::version).get_result(conn)?)
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

/// Claims the right to change the ring within this transaction: only one of those who saw `version` gets it.
pub fn advance(conn: &mut Conn, version: i64) -> Result<Swap, StoreError> {
    let seen = key_ring::table.find(1).filter(key_ring::version.eq(version));
    let changed = diesel::update(seen).set(key_ring::version.eq(version + 1)).execute(conn)?;
    Ok(if changed == 1 { Swap::Won } else { Swap::Lost })
}

/// Adds a signing key.
pub fn insert_signing(conn: &mut Conn, key: &SigningKeyRow) -> Result<(), StoreError> {
    diesel::insert_into(signing_keys::table).values(key).execute(conn)?;
    Ok(())
}

/// Overwrites a signing key.
pub fn update_signing(conn: &mut Conn, key: &SigningKeyRow) -> Result<(), StoreError> {
    diesel::update(signing_keys::table.find(&key.kid)).set(key).execute(conn)?;
    Ok(())
}

/// Adds a MAC key.
pub fn insert_mac(conn: &mut Conn, key: &MacKeyRow) -> Result<(), StoreError> {
    diesel::insert_into(mac_keys::table).values(key).execute(conn)?;
    Ok(())
}
