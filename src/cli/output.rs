//! Tables for people, JSON for scripts.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use super::Failure;
use crate::clock::Timestamp;

/// Prints JSON, indented.
pub fn json(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    line(&text)
}

/// Prints a line. Whoever closes the pipe has read enough: what was asked for is done all the same.
pub fn line(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// The terminal's width in columns, or what fits most when there is none.
pub fn width() -> usize {
    Table::new().width().map_or(100, usize::from)
}

/// Prints objects as a table of some of their members, or all of them as JSON.
pub fn list(items: &[Value], columns: &[&str], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return json(&Value::Array(items.to_vec()));
    }
    let mut table = Table::new();
    // Nothing is broken over lines: ids and times are there to be copied.
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.replace('_', " ")));
    for item in items {
        table.add_row(columns.iter().map(|column| cell(&item[*column])));
    }
    line(&table.to_string())
}

/// Prints an object as lines of `name: value`, or as JSON.
pub fn object(item: &Value, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return json(item);
    }
    for (name, value) in item.as_object().into_iter().flatten() {
        line(&format!("{}: {}", name.replace('_', " "), cell(value)))?;
    }
    Ok(())
}

/// A time as scripts read it.
pub fn time(time: Timestamp) -> Value {
    Value::String(time.to_string())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        // What users chose may hold control characters, which a terminal would obey.
        Value::String(text) => text.chars().flat_map(printable).collect(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Characters that a terminal would obey, or that turn the text around, are escaped.
fn printable(c: char) -> Vec<char> {
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns { c.escape_default().collect() } else { vec![c] }
}

/// A message for the terminal, which may quote what it was given.
pub fn safe(text: &str) -> String {
    text.lines()
        .map(|line| line.chars().flat_map(printable).collect::<String>())
        .collect::<Vec<_>>()
        .join("\n")
}
