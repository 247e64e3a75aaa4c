//! `chancery migrate [status]`

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failure, output};
use crate::app::StartError;
use crate::config::{Settings, Sources};
use crate::store::migrations;

/// Run what is pending, or tell about it.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(subcommand)]
    command: Option<Sub>,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Sub {
    /// Show which migrations the database has. Changes nothing.
    Status,
}

impl Migrate {
    pub(super) fn run(self, sources: &Sources) -> Result<(), Failure> {
        let settings = Settings::load(sources)?;
        let url = settings.database.expose();
        if self.command.is_some() {
            let status = migrations::status(url).map_err(StartError::from)?;
            let rows: Vec<_> =
                status.iter().map(|one| json!({ "name": one.name, "applied": one.applied })).collect();
            return output::list(&rows, &["name", "applied"], self.json);
        }
        let ran = migrations::run(url).map_err(StartError::from)?;
        if self.json {
            return output::json(&json!({ "applied": ran }));
        }
        match ran.len() {
            0 => eprintln!("The schema is up to date."),
            _ => ran.iter().for_each(|name| eprintln!("Applied {name}.")),
        }
        Ok(())
    }
}
