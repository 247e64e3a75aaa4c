//! `chancery config check|show`

use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::{Failure, output};
use crate::accounts::{AccountError, Client, fitness};
use crate::app::StartError;
use crate::clock::Clock;
use crate::config::{CLOCK_SKEW, Effective, Settings, Sources, variable_of};
use crate::keys::{KeyError, Keys, MasterKeys};
use crate::store::{Store, migrations};

/// Look at the settings.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Report every fault in the settings at once, and the clients that they do not fit. Changes nothing.
    Check,
    /// Print the settings in force as TOML, and where each comes from. Secrets are hidden.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    pub(super) async fn run(self, sources: &Sources, clock: Clock) -> Result<(), Failure> {
        let (settings, effective) = Settings::load_with_origins(sources)?;
        match self {
            Self::Check if settings.issuer.url.is_none() => Err(StartError::NoIssuer.into()),
            Self::Check => {
                MasterKeys::check(&settings.keys).map_err(|error| Failure::Usage(error.to_string()))?;
                check_database(&settings, clock).await?;
                eprintln!("The settings are fit to serve with.");
                Ok(())
            }
            Self::Show { json: true } => show_json(&effective),
            Self::Show { json: false } => show(&effective),
        }
    }
}

/// The keys that there are must open with the master key that is set.
async fn check_keys(store: Store, clock: Clock, settings: &Settings) -> Result<(), Failure> {
    match Keys::open(store, clock, settings.keys.clone()).await {
        Err(error @ (KeyError::MasterKey(_) | KeyError::Broken { .. })) => {
            Err(Failure::Usage(error.to_string()))
        }
        // The database cannot be asked, or holds no keys yet.
        _ => Ok(()),
    }
}

/// What is stored must fit the settings: a key must not leave before the last token of the client with the longest
/// lifetime.
async fn check_database(settings: &Settings, clock: Clock) -> Result<(), Failure> {
    if migrations::check_exists(settings.database.expose()).is_err() {
        return Ok(()); // and so there are no clients
    }
    let found = match Store::open(&settings.database) {
        Ok(store) => {
            check_keys(store.clone(), clock, settings).await?;
            client_faults(&store, settings).await
        }
        Err(error) => Err(error.into()),
    };
    let faults = found.unwrap_or_else(|error| {
        eprintln!("The clients could not be compared with the settings: {error}");
        Vec::new()
    });
    if faults.is_empty() { Ok(()) } else { Err(Failure::Usage(faults.join("\n"))) }
}

async fn client_faults(store: &Store, settings: &Settings) -> Result<Vec<String>, AccountError> {
    let mut faults = fitness::unfit_named(store, settings).await?;
    let longer = fitness::with_longer_tokens(store, settings.keys.longest_token()).await?;
    faults.extend(longer.iter().map(|client| fault(client, settings)));
    Ok(faults)
}

fn fault(client: &Client, settings: &Settings) -> String {
    let keys = &settings.keys;
    let lifetime = client.access_token_lifetime.unwrap_or_default();
    let needed = lifetime + keys.reload_interval + CLOCK_SKEW;
    let [lifetime, needed] = [lifetime, needed].map(|one| humantime::format_duration(one).to_string());
    format!(
        "keys.retention ({}): must be at least {needed}, because the access tokens of client {} live {lifetime} \
         (or shorten them: chancery clients set {} --access-token-lifetime …)",
        variable_of("keys.retention"),
        client.id,
        client.id
    )
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
