//! `chancery serve`

use std::net::{SocketAddr, TcpListener};
use std::pin::pin;

use actix_rt::signal::unix::{SignalKind, signal};
use clap::Args;
use futures_util::future::{Either, select};
use rustix::process::Signal;
use socket2::{Domain, Protocol, Socket, Type};

use super::Failure;
use super::signals::Signals;
use crate::app::{App, StartError};
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::{http, store, telemetry};

/// Serve until SIGTERM or SIGINT: then drain (server.drain_time), and let requests under way finish. A second signal ends
/// the draining, a third one everything.
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
        let port = Port::take(settings.server.bind, "server.bind or --bind")?;
        let metrics = settings.metrics.bind.map(|bind| Port::take(bind, "metrics.bind")).transpose()?;
        let app = App::open(settings, clock).await?;
        if let Some(port) = metrics {
            let listener = port.listen()?;
            tracing::info!(at = %listener.local_addr()?, "serving metrics");
            actix_rt::spawn(http::serve_metrics(app.clone(), listener)?);
        }
        serve(app, port).await
    }
}

/// Connections that may wait until they are accepted.
const BACKLOG: i32 = 1024;

/// A port. It is taken before anything slow is done, so that a taken one shows at once; it listens when there is
/// something to answer. Until then a proxy is refused and asks another instance, where it would wait for this one, and
/// lose what it sent if the start fails.
pub(super) struct Port {
    socket: Socket,
    bind: SocketAddr,
    setting: &'static str,
}

impl Port {
    pub(super) fn take(bind: SocketAddr, setting: &'static str) -> Result<Self, Failure> {
        let take = || {
            let socket = Socket::new(Domain::for_address(bind), Type::STREAM, Some(Protocol::TCP))?;
            // As the standard library does: connections of the process before may still linger.
            socket.set_reuse_address(true)?;
            socket.bind(&bind.into())?;
            Ok(socket)
        };
        let socket = take().map_err(|cause| failure(bind, setting, &cause))?;
        Ok(Self { socket, bind, setting })
    }

    /// With the number that the system chose, if it was to choose.
    pub(super) fn address(&self) -> std::io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
    }

    fn listen(self) -> Result<TcpListener, Failure> {
        self.socket.listen(BACKLOG).map_err(|cause| failure(self.bind, self.setting, &cause))?;
        Ok(self.socket.into())
    }
}

fn failure(bind: SocketAddr, setting: &str, cause: &std::io::Error) -> Failure {
    Failure::Failed(format!("cannot listen on {bind}: {cause}; see {setting}"))
}

/// Serves until told to end, then lets everybody leave who is there.
pub(super) async fn serve(app: App, port: Port) -> Result<(), Failure> {
    survive_file_limit()?;
    let signals = Signals::take()?;
    let address = port.address()?;
    app.warn_of_unfit_clients().await;
    app.start_tending();
    let issuer = app.issuer.url.clone();
    let settings = app.issuer.settings.clone();
    let (server, ending) = http::serve(app, port.listen()?, None)?;
    tracing::info!(%address, %issuer, "listening");
    match select(server, pin!(signals.obey(ending))).await {
        Either::Left((ended, _)) => ended?,
        Either::Right(_) => tracing::warn!("requests under way are broken off"),
    }
    if let Err(error) = store::settle(settings.database.expose()) {
        // Nothing is lost: the next start reads the log.
        tracing::warn!(%error, "the write-ahead log could not be emptied");
    }
    tracing::info!("ended");
    Ok(())
}

/// Lets a write beyond the limit on the size of files (`RLIMIT_FSIZE`) fail, as on a full disk, where it would end the
/// process: a signal that has a handler does not. It stays for good.
fn survive_file_limit() -> std::io::Result<()> {
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}
