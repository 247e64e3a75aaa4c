//! `chancery serve`

use std::net::{SocketAddr, TcpListener};

use clap::Args;

use super::Failure;
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::{http, store, telemetry};

/// Serve until SIGTERM or SIGINT.
#[derive(Debug, Args)]
pub struct Serve {
    /// Listen here instead of at `server.bind`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<SocketAddr>,
}

impl Serve {
    pub(super) async fn run(self, mut sources: Sources, clock: Clock) -> Result<(), Failure> {
        sources.flags.extend(self.bind.map(|bind| ("server.bind", bind.to_string())));
        let settings = Settings::load(&sources)?;
        telemetry::start(&settings.log);
        if settings.issuer.url.is_none() {
            return Err(StartError::NoIssuer.into());
        }
        let listener = listen(settings.server.bind, "server.bind or --bind")?;
        let metrics = settings.metrics.bind.map(|bind| listen(bind, "metrics.bind")).transpose()?;
        let app = App::open(settings, clock).await?;
        if let Some(listener) = metrics {
            tracing::info!(at = %listener.local_addr()?, "serving metrics");
            actix_rt::spawn(http::serve_metrics(app.clone(), listener)?);
        }
        serve(app, listener).await
    }
}

/// Takes the port before anything slow is done, so that a taken one shows at once.
pub(super) fn listen(bind: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(bind)
        .map_err(|cause| Failure::Failed(format!("cannot listen on {bind}: {cause}; see {setting}")))
}

/// Serves until told to end, then lets requests under way finish.
pub(super) async fn serve(app: App, listener: TcpListener) -> Result<(), Failure> {
    let address = listener.local_addr()?;
    app.start_tending();
    let issuer = app.issuer.url.clone();
    let settings = app.issuer.settings.clone();
    let server = http::serve(app, listener, None)?;
    tracing::info!(%address, %issuer, "listening");
    server.await?;
    if let Err(error) = store::settle(settings.database.expose()) {
        // Nothing is lost: the next start reads the log.
        tracing::warn!(%error, "the write-ahead log could not be emptied");
    }
    tracing::info!("ended");
    Ok(())
}
