//! Lines of JSON, or of CSV below a header, whichever the first character shows. A line that is none of it is told and
//! skipped: what is wrong with one does not reach the next, because nothing reaches over a line's end.

use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde::de::value::MapDeserializer;
use serde_json::Value;

use super::record::{Fields, MEMBERS};

/// Longer lines are skipped. The longest that can be imported is a tenth of it.
const MAX_LINE: u64 = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What stood on a line.
pub struct Entry {
    /// From one on, as editors count.
    pub line: u64,
    pub(super) fields: Result<Box<Fields>, String>,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Neither JSON nor a header that says what is below it.
    #[error("{0}")]
    Format(String),
}

/// Reads one line after the other.
pub struct Reader<R> {
    lines: Lines<R>,
    form: Form,
}

struct Lines<R> {
    source: R,
    /// How many were read, in lines and in bytes.
    number: u64,
    bytes: u64,
    buffer: Vec<u8>,
}

enum Form {
    Json,
    /// The columns' names.
    Csv(Vec<String>),
}

impl<R: BufRead> Reader<R> {
    /// Reads as much as shows what it is.
    pub fn open(mut source: R) -> Result<Self, Unreadable> {
        let mut beginning = source.fill_buf()?;
        beginning = beginning.strip_prefix(BYTE_ORDER_MARK).unwrap_or(beginning);
        let is_json = beginning.trim_ascii_start().first().is_none_or(|first| *first == b'{');
        let mut lines = Lines { source, number: 0, bytes: 0, buffer: Vec::new() };
        if is_json {
            return Ok(Self { lines, form: Form::Json });
        }
        let header = lines.read()?.unwrap_or(Ok(""));
        let columns = header.and_then(columns).map_err(|problem| {
            let names = MEMBERS.join(",");
            Unreadable::Format(format!(
                "the first line is neither a JSON object nor a CSV header of {names}: {problem}"
            ))
        })?;
        Ok(Self { lines, form: Form::Csv(columns) })
    }

    /// The next line that is not blank, or none at the end.
    pub fn entry(&mut self) -> io::Result<Option<Entry>> {
        let Some(line) = self.lines.read()? else { return Ok(None) };
        let fields = line.and_then(|text| self.form.read(text)).map(Box::new);
        Ok(Some(Entry { line: self.lines.number, fields }))
    }

    /// How far it has read.
    pub fn bytes(&self) -> u64 {
        self.lines.bytes
    }
}

impl<R: BufRead> Lines<R> {
    /// The next line that is not blank, without its end; none at the end of the file.
    fn read(&mut self) -> io::Result<Option<Result<&str, String>>> {
        loop {
            self.buffer.clear();
            self.bytes += self.source.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.buffer)? as u64;
            self.number += 1;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            if self.buffer.len() as u64 == MAX_LINE && !self.buffer.ends_with(b"\n") {
                self.bytes += self.source.skip_until(b'\n')? as u64;
                return Ok(Some(Err(format!("the line is longer than {MAX_LINE} bytes"))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let mut line = self.buffer.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let text = std::str::from_utf8(line).map_err(|_| "the line is not UTF-8".to_owned());
        Ok(Some(text.map(|text| text.trim_end_matches(['\r', '\n']))))
    }
}

impl Form {
    /// No part of the line is told: whatever is wrong with it, there is a password hash in it.
    fn read(&self, line: &str) -> Result<Fields, String> {
        match self {
            Self::Json if !line.trim_start().starts_with('{') => Err("the line is no JSON object".to_owned()),
            Self::Json => serde_json::from_str(line).map_err(|error| told(&error.to_string())),
            Self::Csv(columns) => {
                let cells = cells(line)?;
                if cells.len() != columns.len() {
                    let (has, header) = (cells.len(), columns.len());
                    return Err(format!("the line has {has} fields, and the header {header}"));
                }
                fields(columns.iter().zip(&cells))
            }
        }
    }
}

/// serde's own words, without where on its line it was.
fn told(problem: &str) -> String {
    problem.replace(" at line 1 column ", " at column ")
}

fn columns(header: &str) -> Result<Vec<String>, String> {
    let columns: Vec<_> = cells(header)?.iter().map(|name| name.trim().to_lowercase()).collect();
    fields(columns.iter().map(|name| (name, ""))).map(|_| columns)
}

/// An empty cell is the same as no column.
fn fields<'a, T: AsRef<str>>(cells: impl Iterator<Item = (&'a String, T)>) -> Result<Fields, String> {
    let value = |cell: &str| if cell.is_empty() { Value::Null } else { Value::from(cell) };
    let values = cells.map(|(name, cell)| (name.as_str(), value(cell.as_ref())));
    Fields::deserialize(MapDeserializer::new(values))
        .map_err(|error: serde_json::Error| told(&error.to_string()))
}

fn cells(line: &str) -> Result<Vec<String>, String> {
    if line.matches('"').count() % 2 == 1 {
        return Err("a quote is not closed on this line".to_owned());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .buffer_capacity(line.len().max(1))
        .from_reader(line.as_bytes());
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|_| "the line is no CSV".to_owned())?;
    Ok(record.iter().map(str::to_owned).collect())
}
