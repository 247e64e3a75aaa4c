//! Reads typed values out of the merged layers, collects every fault, and in the end knows which keys nobody read.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat, Source, Value, ValueKind};
use secrecy::SecretString;

use super::{Invalid, Sources};

/// One thing that is wrong: which key, why, and where it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key, or empty when the fault is not one key's.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
    /// Where the value comes from, if it was set.
    pub origin: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.key.is_empty() {
            return f.write_str(&self.problem);
        }
        write!(f, "{} ({}): {}", self.key, variable_of(&self.key), self.problem)?;
        self.origin.iter().try_for_each(|origin| write!(f, "; set in {origin}"))
    }
}

/// A key's value in force, ready to print; a secret's is hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// `section.name`.
    pub key: String,
    /// As TOML; none when unset.
    pub value: Option<String>,
    /// Where it comes from; none for a built-in default.
    pub origin: Option<String>,
}

/// The environment variable that sets a key.
pub fn variable_of(key: &str) -> String {
    format!("CHANCERY__{}", key.to_uppercase().replace('.', "__"))
}

const HIDDEN: &str = "\"(hidden)\"";
const MASTER_KEY_FILE: &str = "keys.master_key_file";
/// Secrets, each with the key that names a file which holds it.
const SECRETS_IN_FILES: [(&str, &str); 4] = [
    ("database.url", "database.url_file"),
    ("redis.url", "redis.url_file"),
    ("redis.sentinel_password", "redis.sentinel_password_file"),
    ("keys.master_key", MASTER_KEY_FILE),
];

pub(super) struct Reader {
    values: BTreeMap<String, Value>,
    effective: Vec<Effective>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn layered(defaults: &str, sources: &Sources, file: &Path) -> Result<Self, Invalid> {
        let mut layers = Layers::default();
        let reference = Config::builder().add_source(File::from_str(defaults, FileFormat::Toml));
        layers.add(reference)?;
        layers.values.values_mut().for_each(forget_origin);
        let named = sources.file.as_deref();
        let file = File::from(named.unwrap_or(file)).format(FileFormat::Toml).required(named.is_some());
        layers.add(Config::builder().add_source(file))?;
        let variables = sources.environment.iter().cloned().collect();
        let environment = Environment::with_prefix("CHANCERY").prefix_separator("__").separator("__");
        layers.add(Config::builder().add_source(environment.source(Some(variables))))?;
        let Layers { mut values, faults } = layers;
        for (key, value) in &sources.flags {
            let origin = "the command line".to_owned();
            values.insert((*key).to_owned(), Value::new(Some(&origin), value.as_str()));
        }
        Ok(Self { values, effective: Vec::new(), faults })
    }

    /// A text; none when unset or empty.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let value = self.take(key, false)?;
        match scalar(&value) {
            Some(text) => Some(text).filter(|text| !text.is_empty()),
            None => self.refuse(key, &value, "must be a single value".to_owned()),
        }
    }

    /// A value that is written as text, or the type's own default when it is missing or wrong (wrong ones are faults,
    /// so that default is never used).
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, expected: &str) -> Option<T> {
        let text = self.text(key)?;
        text.parse()
            .map_or_else(|_| self.fault_value(key, format!("must be {expected}, not \"{text}\"")), Some)
    }

    /// A duration such as `10m`, within bounds.
    pub(super) fn duration(&mut self, key: &str, least: Duration, most: Duration) -> Duration {
        let Some(text) = self.text(key) else { return least };
        match humantime::parse_duration(&text) {
            Ok(duration) if (least..=most).contains(&duration) && duration.subsec_nanos() == 0 => duration,
            Ok(_) => {
                let (least, most) = (humantime::format_duration(least), humantime::format_duration(most));
                self.fault(key, format!("must be whole seconds from {least} to {most}, not \"{text}\""));
                Duration::ZERO
            }
            Err(_) => {
                self.fault(key, format!("must be a duration such as 30s, 10m or 7d, not \"{text}\""));
                Duration::ZERO
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, key: &str, least: u32, most: u32) -> Option<u32> {
        let expected = format!("a whole number from {least} to {most}");
        let number: u32 = self.parsed(key, &expected)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        self.fault_value(key, format!("must be {expected}, not {number}"))
    }

    /// True or false.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        self.parsed(key, "true or false").unwrap_or(false)
    }

    /// Several texts: an array, or one text separated by white space or commas.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        let Some(value) = self.take(key, false) else { return Vec::new() };
        if let ValueKind::Array(items) = &value.kind {
            let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
            return texts
                .or_else(|| self.refuse(key, &value, "must be a list of texts".to_owned()))
                .unwrap_or_default();
        }
        let text = scalar(&value).unwrap_or_default();
        text.split([' ', ',', '\n', '\t']).filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
    }

    /// Origins of pages, as browsers write them.
    pub(super) fn origins(&mut self, key: &str) -> Vec<String> {
        let origins = self.list(key);
        for origin in &origins {
            let canonical = url::Url::parse(origin).map(|url| url.origin().ascii_serialization());
            if canonical.as_ref() != Ok(origin) {
                let problem = format!("must hold origins such as https://app.example.com, not \"{origin}\"");
                self.fault(key, problem);
            }
        }
        origins
    }

    /// A secret, which is never shown.
    pub(super) fn secret(&mut self, key: &str) -> Option<SecretString> {
        let text = self.take(key, true).as_ref().and_then(scalar)?;
        Some(text).filter(|text| !text.is_empty()).map(SecretString::from)
    }

    /// Notes what is wrong with a key.
    pub(super) fn fault(&mut self, key: &str, problem: String) {
        let origin =
            self.effective.iter().find(|known| known.key == key).and_then(|known| known.origin.clone());
        self.faults.push(Fault { key: key.to_owned(), problem, origin });
    }

    /// Ends the reading: what was read, or every fault, unknown keys among them.
    pub(super) fn finish(mut self) -> Result<Vec<Effective>, Invalid> {
        for (key, value) in std::mem::take(&mut self.values) {
            let problem = "is not a setting; see docs/chancery.toml for those there are".to_owned();
            self.faults.push(Fault { key, problem, origin: origin(&value) });
        }
        if self.faults.is_empty() { Ok(self.effective) } else { Err(Invalid(self.faults)) }
    }

    fn take(&mut self, key: &str, secret: bool) -> Option<Value> {
        let value = self.values.remove(key);
        let plain =
            |value: &Value| !secret || scalar(value).is_some_and(|text| text.starts_with("sqlite://"));
        let shown = value.as_ref().map(|value| if plain(value) { as_toml(value) } else { HIDDEN.to_owned() });
        let origin = value.as_ref().and_then(origin);
        self.effective.push(Effective { key: key.to_owned(), value: shown, origin });
        value
    }

    fn fault_value<T>(&mut self, key: &str, problem: String) -> Option<T> {
        self.fault(key, problem);
        None
    }

    fn refuse<T>(&mut self, key: &str, value: &Value, problem: String) -> Option<T> {
        self.faults.push(Fault { key: key.to_owned(), problem, origin: origin(value) });
        None
    }
}

/// What the layers read so far say.
#[derive(Default)]
struct Layers {
    values: BTreeMap<String, Value>,
    faults: Vec<Fault>,
}

impl Layers {
    /// Adds one layer over the earlier ones.
    fn add(&mut self, layer: config::ConfigBuilder<config::builder::DefaultState>) -> Result<(), Invalid> {
        let fault = |error: config::ConfigError| {
            let problem = without_source_lines(&error.to_string());
            Invalid(vec![Fault { key: String::new(), problem, origin: None }])
        };
        let mut layer_values = BTreeMap::new();
        flatten("", layer.build().and_then(|layer| layer.collect()).map_err(fault)?, &mut layer_values);
        for (key, file_key) in SECRETS_IN_FILES {
            self.take_file(key, file_key, &mut layer_values);
        }
        self.values.extend(layer_values);
        Ok(())
    }

    /// A secret's file counts as the secret: over one of an earlier layer, under one of a later layer.
    fn take_file(&mut self, key: &str, file_key: &str, layer: &mut BTreeMap<String, Value>) {
        let Some(path) = layer.get(file_key) else { return };
        if layer.get(key).and_then(scalar).is_some_and(|text| !text.is_empty()) {
            let problem = format!("is given together with {key}: one of them is enough");
            self.faults.push(Fault { key: file_key.to_owned(), problem, origin: origin(path) });
        }
        self.values.remove(key);
        if file_key == MASTER_KEY_FILE {
            return; // a setting of its own: the file may be yet to be made
        }
        let path = layer.remove(file_key).as_ref().and_then(scalar).unwrap_or_default();
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                layer.insert(key.to_owned(), Value::new(Some(&path), text.trim()));
            }
            Err(cause) => {
                let problem = format!("{path}: {cause}");
                self.faults.push(Fault { key: file_key.to_owned(), problem, origin: None });
            }
        }
    }
}

/// The parser quotes the line that it stumbled over, which may hold a secret.
fn without_source_lines(message: &str) -> String {
    message.lines().filter(|line| !line.contains('|')).map(str::trim).collect::<Vec<_>>().join(" ")
}

fn flatten(prefix: &str, table: config::Map<String, Value>, into: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value.kind {
            ValueKind::Table(table) => flatten(&key, table, into),
            _ => {
                into.insert(key, value);
            }
        }
    }
}

/// A built-in default has none.
fn forget_origin(value: &mut Value) {
    *value = Value::new(None, value.kind.clone());
}

fn origin(value: &Value) -> Option<String> {
    value.origin().map(ToOwned::to_owned)
}

fn scalar(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => None,
        kind => Some(kind.to_string()),
    }
}

fn as_toml(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => toml::Value::String(text.clone()).to_string(),
        ValueKind::Array(items) => {
            format!("[{}]", items.iter().map(as_toml).collect::<Vec<_>>().join(", "))
        }
        kind => kind.to_string(),
    }
}
