//! What a line says about a user, and the row that this makes. Nothing that is wrong is repeated in what is told about
//! it: it may be a secret in the wrong place.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::accounts::hashes::{Limits, StoredHash};
use crate::accounts::{ExtraClaims, Scopes, users};
use crate::clock::Timestamp;
use crate::store::users::UserRow;

/// The members of a line, and the columns of a CSV file, in the order in which they are written.
pub const MEMBERS: [&str; 9] = [
    "id",
    "username",
    "email",
    "password_hash",
    "scopes",
    "claims",
    "disabled",
    "created_at",
    "last_login_at",
];
/// RFC 5321 section 4.5.3.1: 64 bytes, an @, and 255.
const MAX_EMAIL: usize = 320;
/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// A line as it was parsed; a member that is not there is null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Fields {
    id: Value,
    username: Value,
    email: Value,
    password_hash: Value,
    scopes: Value,
    claims: Value,
    disabled: Value,
    created_at: Value,
    last_login_at: Value,
}

/// A user to be.
pub(super) struct Candidate {
    pub row: UserRow,
    /// Whether the line says so, or it is made up.
    pub has_id: bool,
    /// The same.
    pub has_created_at: bool,
}

impl Fields {
    pub(super) fn read(self, limits: &Limits, now: Timestamp) -> Result<Candidate, String> {
        let username = text("username", self.username)?.ok_or("there is no username")?;
        let username_key = users::key_of(&username)?;
        let id = text("id", self.id)?.map(|id| identity(&id)).transpose()?;
        let created_at = time("created_at", &self.created_at)?;
        let claims = claims(self.claims)?;
        let row = UserRow {
            username,
            username_key,
            email: text("email", self.email)?.map(email).transpose()?,
            password_hash: password_hash(text("password_hash", self.password_hash)?, limits)?,
            scopes: scopes(self.scopes)?.map(|scopes| scopes.to_string()),
            claims: claims.to_string(),
            disabled: flag("disabled", &self.disabled)?,
            created_at: created_at.unwrap_or(now).as_unix(),
            updated_at: now.as_unix(),
            last_login_at: time("last_login_at", &self.last_login_at)?.map(Timestamp::as_unix),
            id: id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
        };
        Ok(Candidate { row, has_id: id.is_some(), has_created_at: created_at.is_some() })
    }
}

fn text(name: &str, value: Value) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        _ => Err(format!("{name} must be a text")),
    }
}

/// Users are found by name or id, and no name may look like an id: so each id must.
fn identity(text: &str) -> Result<String, String> {
    Uuid::try_parse(text).map(|id| id.to_string()).map_err(|_| "the id must be a UUID".to_owned())
}

fn email(text: String) -> Result<String, String> {
    if text.len() > MAX_EMAIL || text.chars().any(char::is_control) {
        return Err(format!("an email address has at most {MAX_EMAIL} bytes and no control characters"));
    }
    Ok(text)
}

fn password_hash(text: Option<String>, limits: &Limits) -> Result<String, String> {
    let text = text.ok_or("there is no password_hash; \"!\" stands for none")?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("the password hash has other characters than printable ASCII".to_owned());
    }
    StoredHash::parse(&text, limits)?;
    Ok(text)
}

/// `"a b"` or `["a", "b"]`; null: whatever the client may have.
fn scopes(value: Value) -> Result<Option<Scopes>, String> {
    let wrong = || "scopes must be a text such as \"read write\"".to_owned();
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Scopes::parse(&text).map(Some),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            Scopes::parse(&items.ok_or_else(wrong)?.join(" ")).map(Some)
        }
        _ => Err(wrong()),
    }
}

/// An object, or its text.
fn claims(value: Value) -> Result<ExtraClaims, String> {
    match value {
        Value::Null => Ok(ExtraClaims::default()),
        Value::String(text) => ExtraClaims::parse(&text),
        value => ExtraClaims::parse(&value.to_string()),
    }
}

/// JSON's, or as databases and languages write it into CSV.
fn flag(name: &str, value: &Value) -> Result<bool, String> {
    let word = value.as_str().map(str::to_lowercase);
    match (value, word.as_deref()) {
        (Value::Null, _) => Ok(false),
        (Value::Bool(flag), _) => Ok(*flag),
        (_, Some("true" | "t" | "1")) => Ok(true),
        (_, Some("false" | "f" | "0")) => Ok(false),
        _ => Err(format!("{name} must be true or false")),
    }
}

/// RFC 3339, or seconds since the Unix epoch.
fn time(name: &str, value: &Value) -> Result<Option<Timestamp>, String> {
    let time = match value {
        Value::Null => return Ok(None),
        Value::String(text) => {
            text.parse().ok().map(Timestamp::from_unix).or_else(|| Timestamp::parse_rfc3339(text))
        }
        value => value.as_i64().map(Timestamp::from_unix),
    };
    match time.filter(|time| (0..=LATEST).contains(&time.as_unix())) {
        Some(time) => Ok(Some(time)),
        None => Err(format!("{name} must be a time such as 2026-01-31T12:00:00Z, or seconds since 1970")),
    }
}
