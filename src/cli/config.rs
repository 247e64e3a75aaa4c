//! `chancery config check|show`

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Failure, output};
use crate::app::StartError;
use crate::config::{Effective, Settings, Sources};
use crate::keys::MasterKeys;

/// Look at the settings.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Report every fault in the settings at once. Touches no database and no port.
    Check,
    /// Print the settings in force as TOML, and where each comes from. Secrets are hidden.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    pub(super) fn run(self, sources: &Sources) -> Result<(), Failure> {
        let (settings, effective) = Settings::load_with_origins(sources)?;
        match self {
            Self::Check if settings.issuer.url.is_none() => Err(StartError::NoIssuer.into()),
            Self::Check => {
                MasterKeys::check(&settings.keys).map_err(|error| Failure::Usage(error.to_string()))?;
                eprintln!("The settings are fit to serve with.");
                Ok(())
            }
            Self::Show { json: true } => show_json(&effective),
            Self::Show { json: false } => show(&effective),
        }
    }
}

fn show(effective: &[Effective]) -> Result<(), Failure> {
    let mut section = "";
    for one in effective {
        let (in_section, name) = one.key.split_once('.').unwrap_or(("", &one.key));
        if section != in_section {
            let gap = if section.is_empty() { "" } else { "\n" };
            output::line(&format!("{gap}[{in_section}]"))?;
            section = in_section;
        }
        let origin = one.origin.as_ref().map(|origin| format!("  # {origin}")).unwrap_or_default();
        match &one.value {
            Some(value) => output::line(&format!("{name} = {value}{origin}"))?,
            None => output::line(&format!("# {name} is not set"))?,
        }
    }
    Ok(())
}

fn show_json(effective: &[Effective]) -> Result<(), Failure> {
    let value = |text: &String| format!("value = {text}").parse::<toml::Table>().ok()?.remove("value");
    let entry = |one: &Effective| {
        let value = one.value.as_ref().and_then(value);
        (one.key.clone(), json!({ "value": value, "origin": one.origin }))
    };
    output::json(&Value::Object(effective.iter().map(entry).collect::<Map<_, _>>()))
}
