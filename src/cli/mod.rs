//! The command line: one file per noun. Data goes to standard output, talk to standard error.

mod clients;
mod config;
mod dev;
mod failure;
mod healthcheck;
mod input;
mod keys;
mod migrate;
mod output;
mod progress;
mod serve;
mod sessions;
mod signals;
mod users;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::app;
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::store::{Store, migrations};
use crate::telemetry;
pub use failure::Failure;

/// A standalone OAuth 2.0 token issuer.
#[derive(Debug, Parser)]
#[command(version, after_help = failure::EXIT_CODES)]
pub struct Cli {
    /// The settings file; `chancery.toml` in the working directory if it is there.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve on loopback with a demo user and client: nothing to configure.
    Dev(dev::Dev),
    /// Serve.
    Serve(serve::Serve),
    /// Bring the database's schema up to date (`serve` does so too).
    Migrate(migrate::Migrate),
    /// Look at the settings.
    #[command(subcommand)]
    Config(config::Config),
    /// Make and manage users: who logs in.
    #[command(subcommand)]
    Users(users::Users),
    /// Make and manage clients: which app asks.
    #[command(subcommand)]
    Clients(clients::Clients),
    /// Look at sessions and end them.
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Look at the signing keys and rotate them.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Ask the server on this machine whether it is ready.
    Healthcheck(healthcheck::Healthcheck),
}

impl Cli {
    /// Runs the command by this clock.
    pub async fn run(self, clock: Clock) -> Result<(), Failure> {
        let sources = Sources::of_process(self.config);
        match self.command {
            Command::Dev(command) => command.run(sources, clock).await,
            Command::Serve(command) => command.run(sources, clock).await,
            Command::Migrate(command) => command.run(&sources),
            Command::Config(command) => command.run(&sources, clock).await,
            Command::Users(command) if command.begins()? => {
                command.run(&Admin::create(&sources, clock).await?).await
            }
            Command::Clients(command @ clients::Clients::Create(_)) => {
                command.run(&Admin::create(&sources, clock).await?).await
            }
            Command::Users(command) => command.run(&Admin::open(&sources, clock).await?).await,
            Command::Clients(command) => command.run(&Admin::open(&sources, clock).await?).await,
            Command::Sessions(command) => command.run(&Admin::open(&sources, clock).await?).await,
            Command::Keys(keys::Keys::GenerateMasterKey(command)) => command.run(),
            Command::Keys(command) => command.run(&Admin::open(&sources, clock).await?).await,
            Command::Healthcheck(command) => command.run(&sources),
        }
    }
}

/// What the managing commands work on.
struct Admin {
    settings: Settings,
    clock: Clock,
    store: Store,
}

impl Admin {
    /// On a database that is there: in the wrong folder an empty one would only mislead.
    async fn open(sources: &Sources, clock: Clock) -> Result<Self, Failure> {
        let settings = Settings::load(sources)?;
        migrations::check_exists(settings.database.expose()).map_err(app::StartError::from)?;
        Self::connect(settings, clock).await
    }

    /// Makes the database if need be.
    async fn create(sources: &Sources, clock: Clock) -> Result<Self, Failure> {
        Self::connect(Settings::load(sources)?, clock).await
    }

    async fn connect(settings: Settings, clock: Clock) -> Result<Self, Failure> {
        telemetry::start(&settings.log);
        let store = app::open_store(&settings).await.map_err(app::StartError::from)?;
        Ok(Self { settings, clock, store })
    }
}
