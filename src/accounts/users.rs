//! Users: who logs in. Whatever ends a user's access (disabling, a new password, deletion) closes the sessions in the
//! same transaction.

use uuid::Uuid;

use super::{AccountError, ExtraClaims, Scopes, corrupt, username};
use crate::clock::Timestamp;
use crate::store::sessions::Selection;
use crate::store::users::UserRow;
use crate::store::{Conn, Store, StoreError, sessions, users as table};

/// A user, without the password hash.
#[derive(Clone, Debug)]
pub struct User {
    /// The `sub` claim; never changes.
    pub id: String,
    /// As it was entered at creation.
    pub username: String,
    /// Optional address.
    pub email: Option<String>,
    /// What the user may be granted; none: whatever the client may have.
    pub scopes: Option<Scopes>,
    /// Extra claims of the user's access tokens.
    pub claims: ExtraClaims,
    /// Refused everywhere while true.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When a password was last accepted.
    pub last_login_at: Option<Timestamp>,
}

/// What a new user has.
#[derive(Clone)]
pub struct NewUser {
    /// As entered.
    pub username: String,
    /// Optional address.
    pub email: Option<String>,
    /// PHC string.
    pub password_hash: String,
    /// None: whatever the client may have.
    pub scopes: Option<Scopes>,
    /// Extra claims.
    pub claims: ExtraClaims,
}

impl User {
    /// Reads a row.
    pub fn from_row(row: &UserRow) -> Result<Self, StoreError> {
        let wrong = |problem: String| corrupt(&format!("user {}", row.id), problem);
        Ok(Self {
            id: row.id.clone(),
            username: row.username.clone(),
            email: row.email.clone(),
            scopes: row.scopes.as_deref().map(Scopes::parse).transpose().map_err(wrong)?,
            claims: ExtraClaims::parse(&row.claims).map_err(wrong)?,
            disabled: row.disabled,
            created_at: Timestamp::from_unix(row.created_at),
            last_login_at: row.last_login_at.map(Timestamp::from_unix),
        })
    }

    /// What of `scopes` this user may be granted.
    pub fn allowed(&self, scopes: &Scopes) -> Scopes {
        self.scopes.as_ref().map_or_else(|| scopes.clone(), |own| scopes.intersection(own))
    }
}

/// Makes a user.
pub async fn create(store: &Store, new: NewUser, now: Timestamp) -> Result<User, AccountError> {
    let key = key_of(&new.username).map_err(AccountError::Invalid)?;
    let row = UserRow {
        id: Uuid::new_v4().to_string(),
        username: new.username,
        username_key: key,
        email: new.email,
        password_hash: new.password_hash,
        scopes: new.scopes.map(|scopes| scopes.to_string()),
        claims: new.claims.to_string(),
        disabled: false,
        created_at: now.as_unix(),
        updated_at: now.as_unix(),
        last_login_at: None,
    };
    let user = User::from_row(&row)?;
    store.write(move |conn| table::insert(conn, &row)).await.map_err(|error| match error {
        StoreError::Conflict(_) => AccountError::Taken(format!("user {}", user.username)),
        other => other.into(),
    })?;
    Ok(user)
}

/// What a new user's name is looked up by, or why it cannot be one.
pub fn key_of(name: &str) -> Result<String, String> {
    let key = username::canonical(name).ok_or_else(|| {
        "a username has 1 to 255 letters, digits and printable ASCII signs, and no space (RFC 8265)"
            .to_owned()
    })?;
    // The canonical form: wide digits are digits there.
    if Uuid::try_parse(&key).is_ok() {
        return Err("a username must not look like a user's id (a UUID)".to_owned());
    }
    Ok(key)
}

/// Everybody, by name.
pub async fn list(store: &Store) -> Result<Vec<User>, AccountError> {
    let rows = store.read(table::list).await?;
    Ok(rows.iter().map(User::from_row).collect::<Result<_, _>>()?)
}

/// The user of this name, or else of this id.
pub async fn find(store: &Store, name: &str) -> Result<User, AccountError> {
    let (key, id) = (username::canonical(name), name.to_owned());
    let row = store
        .read(move |conn| {
            let by_name = key.map(|key| table::find_by_key(conn, &key)).transpose()?.flatten();
            by_name.map_or_else(|| table::find(conn, &id), |row| Ok(Some(row)))
        })
        .await?;
    Ok(User::from_row(&row.ok_or_else(|| not_found(name))?)?)
}

/// Sets a new password and closes the user's sessions.
pub async fn set_password(
    store: &Store,
    user: &User,
    hash: String,
    now: Timestamp,
) -> Result<(), AccountError> {
    change(store, user, Some("password_changed"), now, move |conn, id| {
        table::set_password_hash(conn, id, &hash, now.as_unix())
    })
    .await
}

/// Disables a user and closes the sessions.
pub async fn disable(store: &Store, user: &User, now: Timestamp) -> Result<(), AccountError> {
    change(store, user, Some("user_disabled"), now, move |conn, id| {
        table::set_disabled(conn, id, true, now.as_unix())
    })
    .await
}

/// Lets a disabled user in again. Closed sessions stay closed.
pub async fn enable(store: &Store, user: &User, now: Timestamp) -> Result<(), AccountError> {
    change(store, user, None, now, move |conn, id| table::set_disabled(conn, id, false, now.as_unix())).await
}

/// Deletes a user; the sessions go with the row.
pub async fn delete(store: &Store, user: &User, now: Timestamp) -> Result<(), AccountError> {
    change(store, user, None, now, table::delete).await
}

/// Changes the row first, which locks it against a login under way, and then closes the sessions.
async fn change<F>(
    store: &Store,
    user: &User,
    close_reason: Option<&'static str>,
    now: Timestamp,
    work: F,
) -> Result<(), AccountError>
where
    F: FnOnce(&mut Conn, &str) -> Result<bool, StoreError> + Clone + Send + 'static,
{
    let id = user.id.clone();
    let found = store
        .write(move |conn| {
            let found = work(conn, &id)?;
            if let Some(reason) = close_reason {
                sessions::close_all(conn, &Selection::User(id), reason, now.as_unix())?;
            }
            Ok(found)
        })
        .await?;
    if found { Ok(()) } else { Err(not_found(&user.username)) }
}

fn not_found(name: &str) -> AccountError {
    AccountError::NotFound(format!("user {}", name.escape_debug()))
}
