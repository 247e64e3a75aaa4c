//! The export: everybody by name, page by page, as the import reads it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use super::record::MEMBERS;
use crate::accounts::corrupt;
use crate::clock::Timestamp;
use crate::store::users::{self as table, UserRow};
use crate::store::{Store, StoreError};

const PAGE: i64 = 1000;

/// How users are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object on each line.
    Jsonl,
    /// Comma-separated, below a header.
    Csv,
}

/// An export under way.
pub struct Export {
    format: Format,
    with_hashes: bool,
    next: Next,
}

/// Which page.
enum Next {
    First,
    /// Behind this canonical name.
    After(String),
    None,
}

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    username: &'a str,
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_hash: Option<&'a str>,
    scopes: Option<&'a str>,
    claims: Map<String, Value>,
    disabled: bool,
    created_at: String,
    last_login_at: Option<String>,
}

impl Export {
    /// Without hashes it is a list of users, and with them it can be imported.
    pub fn new(format: Format, with_hashes: bool) -> Self {
        Self { format, with_hashes, next: Next::First }
    }

    /// Some more users, as text; none at the end.
    pub async fn next(&mut self, store: &Store) -> Result<Option<(usize, Vec<u8>)>, StoreError> {
        let (after, is_first) = match std::mem::replace(&mut self.next, Next::None) {
            Next::First => (String::new(), true), // which is nobody's name
            Next::After(key) => (key, false),
            Next::None => return Ok(None),
        };
        let rows = store.read(move |conn| table::page(conn, &after, PAGE)).await?;
        if let Some(last) = rows.last() {
            self.next = Next::After(last.username_key.clone());
        }
        // The first has a header even above nobody.
        let text = self.write(&rows, is_first).map_err(|problem| corrupt("a user", problem))?;
        Ok(Some((rows.len(), text)))
    }

    pub(super) fn write(&self, rows: &[UserRow], is_first: bool) -> io::Result<Vec<u8>> {
        match self.format {
            Format::Jsonl => self.write_json(rows),
            Format::Csv => self.write_csv(rows, is_first),
        }
    }

    fn write_json(&self, rows: &[UserRow]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, &self.line(row)?)?;
            text.write_all(b"\n")?;
        }
        Ok(text)
    }

    fn write_csv(&self, rows: &[UserRow], with_header: bool) -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let columns = || MEMBERS.iter().filter(|name| self.with_hashes || **name != "password_hash");
        if with_header {
            writer.write_record(columns())?;
        }
        for row in rows {
            let line = serde_json::to_value(self.line(row)?)?;
            writer.write_record(columns().map(|name| cell(name, &line[*name])))?;
        }
        writer.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    fn line<'a>(&self, row: &'a UserRow) -> io::Result<Line<'a>> {
        let time = |seconds| Timestamp::from_unix(seconds).to_string();
        Ok(Line {
            id: &row.id,
            username: &row.username,
            email: row.email.as_deref(),
            password_hash: self.with_hashes.then_some(&row.password_hash),
            scopes: row.scopes.as_deref(),
            claims: serde_json::from_str(&row.claims)?,
            disabled: row.disabled,
            created_at: time(row.created_at),
            last_login_at: row.last_login_at.map(time),
        })
    }
}

fn cell(name: &str, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // No scopes at all, where an empty cell would mean whatever the client may have.
        Value::String(text) if text.is_empty() && name == "scopes" => " ".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(map) if map.is_empty() => String::new(),
        other => other.to_string(),
    }
}
