//! Table `clients`.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;

use super::schema::clients;
use super::{Conn, StoreError};

/// A client's row. Lists are separated by one space; what is none falls back to the settings.
/// Not `Debug`, because it holds a secret's hash.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = clients, treat_none_as_null = true)]
pub struct ClientRow {
    /// The `client_id`.
    pub id: String,
    /// SHA-256 of the secret; none: a public client.
    pub secret_hash: Option<Vec<u8>>,
    /// Grant types it may use.
    pub grants: String,
    /// Scopes it may ask for.
    pub scopes: String,
    /// Scopes it gets when it asks for none in particular; none: all.
    pub default_scopes: Option<String>,
    /// Audiences it may ask for.
    pub audience: Option<String>,
    /// `at+jwt` or `JWT`.
    pub token_type: Option<String>,
    /// Seconds.
    pub access_token_lifetime: Option<i64>,
    /// Seconds.
    pub refresh_idle_lifetime: Option<i64>,
    /// Seconds.
    pub refresh_absolute_lifetime: Option<i64>,
    /// Seconds.
    pub refresh_reuse_leeway: Option<i64>,
    /// Whether a refresh token works only once.
    pub refresh_rotation: bool,
    /// JSON object.
    pub claims: String,
    /// Refused everywhere while true.
    pub disabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
}

/// Adds a client; [`StoreError::Conflict`] when the id is taken.
pub fn insert(conn: &mut Conn, client: &ClientRow) -> Result<(), StoreError> {
    diesel::insert_into(clients::table).values(client).execute(conn)?;
    Ok(())
}

/// The client with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<ClientRow>, StoreError> {
    // Anybody may ask for any id; PostgreSQL would call this one an error.
    if id.contains('\0') {
        return Ok(None);
    }
    Ok(clients::table.find(id).select(ClientRow::as_select()).get_result(conn).optional()?)
}

/// As [`find`], and nobody changes the row until the transaction ends.
pub fn find_and_hold(conn: &mut Conn, id: &str) -> Result<Option<ClientRow>, StoreError> {
    lock(conn, "SELECT id FROM clients WHERE id = $1 FOR SHARE", id)?;
    find(conn, id)
}

/// As [`find`], for who is going to change the row: others who are wait.
pub fn find_to_change(conn: &mut Conn, id: &str) -> Result<Option<ClientRow>, StoreError> {
    lock(conn, "SELECT id FROM clients WHERE id = $1 FOR UPDATE", id)?;
    find(conn, id)
}

/// Locks a row on PostgreSQL; SQLite's writing transactions exclude each other anyway.
fn lock(conn: &mut Conn, query: &str, id: &str) -> Result<(), StoreError> {
    if let Conn::Postgres(inner) = conn {
        sql_query(query).bind::<Text, _>(id).execute(inner)?;
    }
    Ok(())
}

/// All clients, by id.
pub fn list(conn: &mut Conn) -> Result<Vec<ClientRow>, StoreError> {
    Ok(clients::table.order(clients::id.asc()).select(ClientRow::as_select()).load(conn)?)
}

/// Overwrites the row with this id; false when there is none.
pub fn update(conn: &mut Conn, client: &ClientRow) -> Result<bool, StoreError> {
    Ok(diesel::update(clients::table.find(&client.id)).set(client).execute(conn)? == 1)
}

/// Deletes a client with all sessions; false when there is no such client.
pub fn delete(conn: &mut Conn, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(clients::table.find(id)).execute(conn)? == 1)
}
