//! Table `users`.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::schema::users;
use super::{Conn, StoreError, totp};

/// A user's row; not `Debug`, because it holds a password hash.
#[derive(Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct UserRow {
    /// The `sub` claim.
    pub id: String,
    /// As it was entered.
    pub username: String,
    /// As it is looked up.
    pub username_key: String,
    /// Optional address.
    pub email: Option<String>,
    /// PHC string, or what another system wrote.
    pub password_hash: String,
    /// Space-separated; none: whatever the client may have.
    pub scopes: Option<String>,
    /// JSON object.
    pub claims: String,
    /// Refused everywhere while true.
    pub disabled: bool,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub updated_at: i64,
    /// Unix seconds.
    pub last_login_at: Option<i64>,
}

/// What tells users apart; not `Debug`, because it holds a password hash.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct Known {
    /// As in [`UserRow`], like the others.
    pub id: String,
    /// The canonical name.
    pub username_key: String,
    /// The present hash.
    pub password_hash: String,
    /// Unix seconds.
    pub created_at: i64,
}

impl UserRow {
    /// What tells it apart.
    pub fn known(&self) -> Known {
        Known {
            id: self.id.clone(),
            username_key: self.username_key.clone(),
            password_hash: self.password_hash.clone(),
            created_at: self.created_at,
        }
    }
}

/// Adds a user; [`StoreError::Conflict`] when the name is taken.
pub fn insert(conn: &mut Conn, user: &UserRow) -> Result<(), StoreError> {
    diesel::insert_into(users::table).values(user).execute(conn)?;
    Ok(())
}

/// Adds many users in one statement: all or, with [`StoreError::Conflict`], none.
pub fn insert_all(conn: &mut Conn, rows: &[UserRow]) -> Result<(), StoreError> {
    if !rows.is_empty() {
        InsertAll(rows).execute(conn)?;
    }
    Ok(())
}

/// Written out, because diesel does not insert many rows at once into either database.
struct InsertAll<'a>(&'a [UserRow]);

impl QueryFragment<<Conn as diesel::Connection>::Backend> for InsertAll<'_> {
    fn walk_ast<'b>(
        &'b self,
        mut out: AstPass<'_, 'b, <Conn as diesel::Connection>::Backend>,
    ) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(
            "INSERT INTO users (id, username, username_key, email, password_hash, scopes, claims, disabled, \
             created_at, updated_at, last_login_at) VALUES ",
        );
        for (number, row) in self.0.iter().enumerate() {
            out.push_sql(if number == 0 { "(" } else { ", (" });
            for text in [&row.id, &row.username, &row.username_key] {
                out.push_bind_param::<Text, _>(text)?;
                out.push_sql(", ");
            }
            out.push_bind_param::<Nullable<Text>, _>(&row.email)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&row.password_hash)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&row.scopes)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(&row.claims)?;
            out.push_sql(", ");
            out.push_bind_param::<Bool, _>(&row.disabled)?;
            for time in [&row.created_at, &row.updated_at] {
                out.push_sql(", ");
                out.push_bind_param::<BigInt, _>(time)?;
            }
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(&row.last_login_at)?;
            out.push_sql(")");
        }
        Ok(())
    }
}

impl QueryId for InsertAll<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl RunQueryDsl<Conn> for InsertAll<'_> {}

/// Whoever has one of these canonical names or ids.
pub fn find_any(conn: &mut Conn, keys: &[String], ids: &[String]) -> Result<Vec<Known>, StoreError> {
    let any = users::username_key.eq_any(keys).or(users::id.eq_any(ids));
    Ok(users::table.filter(any).select(Known::as_select()).load(conn)?)
}

/// The next users by canonical name, after this one.
pub fn page(conn: &mut Conn, after: &str, limit: i64) -> Result<Vec<UserRow>, StoreError> {
    let next =
        users::table.filter(users::username_key.gt(after)).order(users::username_key.asc()).limit(limit);
    Ok(next.select(UserRow::as_select()).load(conn)?)
}

/// How many there are.
pub fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(users::table.count().get_result(conn)?)
}

/// The user with this canonical name.
pub fn find_by_key(conn: &mut Conn, key: &str) -> Result<Option<UserRow>, StoreError> {
    let query = users::table.filter(users::username_key.eq(key)).select(UserRow::as_select());
    Ok(query.get_result(conn).optional()?)
}

/// The user with this id.
pub fn find(conn: &mut Conn, id: &str) -> Result<Option<UserRow>, StoreError> {
    Ok(users::table.find(id).select(UserRow::as_select()).get_result(conn).optional()?)
}

/// Everybody, by name.
pub fn list(conn: &mut Conn) -> Result<Vec<UserRow>, StoreError> {
    Ok(users::table.order(users::username_key.asc()).select(UserRow::as_select()).load(conn)?)
}

/// Notes a login, provided that the user is still enabled and still has the password that was verified. The update
/// locks the row, so that a concurrent disabling or password change comes wholly before or wholly after.
pub fn record_login(conn: &mut Conn, id: &str, verified_hash: &str, now: i64) -> Result<bool, StoreError> {
    let change = users::last_login_at.eq(now);
    Ok(diesel::update(unchanged(id, verified_hash)).set(change).execute(conn)? == 1)
}

/// Locks the user's row against other changes, provided that the user is still enabled and still has the password that was
/// verified.
pub fn hold(conn: &mut Conn, id: &str, verified_hash: &str, now: i64) -> Result<bool, StoreError> {
    let change = users::updated_at.eq(now);
    Ok(diesel::update(unchanged(id, verified_hash)).set(change).execute(conn)? == 1)
}

/// The user, if still enabled and with this hash.
#[diesel::dsl::auto_type(no_type_alias)]
fn unchanged<'a>(id: &'a str, hash: &'a str) -> _ {
    users::table
        .filter(users::id.eq(id))
        .filter(users::disabled.eq(false))
        .filter(users::password_hash.eq(hash))
}

/// Locks the user's row against logins and other changes; false when there is no such user.
pub fn lock(conn: &mut Conn, id: &str, now: i64) -> Result<bool, StoreError> {
    Ok(diesel::update(users::table.find(id)).set(users::updated_at.eq(now)).execute(conn)? == 1)
}

/// Replaces one hash of the same password by another; nothing happens when it has changed meanwhile.
pub fn upgrade_hash(conn: &mut Conn, id: &str, old: &str, new: &str) -> Result<(), StoreError> {
    let current = users::table.find(id).filter(users::password_hash.eq(old));
    diesel::update(current).set(users::password_hash.eq(new)).execute(conn)?;
    Ok(())
}

/// Sets a new password's hash; false when there is no such user.
pub fn set_password_hash(conn: &mut Conn, id: &str, hash: &str, now: i64) -> Result<bool, StoreError> {
    // Whoever knew the old password may have left one, to turn it on later.
    totp::forget_proposal(conn, id)?;
    let change = (users::password_hash.eq(hash), users::updated_at.eq(now));
    Ok(diesel::update(users::table.find(id)).set(change).execute(conn)? == 1)
}

/// Disables or enables; false when there is no such user.
pub fn set_disabled(conn: &mut Conn, id: &str, disabled: bool, now: i64) -> Result<bool, StoreError> {
    let change = (users::disabled.eq(disabled), users::updated_at.eq(now));
    Ok(diesel::update(users::table.find(id)).set(change).execute(conn)? == 1)
}

/// Deletes a user with all sessions; false when there is no such user.
pub fn delete(conn: &mut Conn, id: &str) -> Result<bool, StoreError> {
    Ok(diesel::delete(users::table.find(id)).execute(conn)? == 1)
}
