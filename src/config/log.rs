//! Section `log`.

use std::str::FromStr;

use super::reader::Reader;

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Directives of `tracing-subscriber`'s `EnvFilter`.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

impl LogSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let filter = reader.text("log.filter").unwrap_or_default();
        if let Err(cause) = tracing_subscriber::EnvFilter::try_new(&filter) {
            reader.fault("log.filter", format!("must be a level or directives: {cause}"));
        }
        Self { filter, format: reader.parsed("log.format", "text or json").unwrap_or_default() }
    }
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}
