//! The HTTP surface: every route and the order of the middleware on one screen. Handlers translate; what they mean
//! is in `oauth`.

mod cors;
mod discovery;
mod error;
mod introspect;
mod log;
mod ops;
mod request;
mod revoke;
mod token;
mod userinfo;

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::web::{self, Data, ServiceConfig, get, head, post};
use actix_web::{App as ActixApp, HttpServer, Resource};
use tracing_actix_web::TracingLogger;

use crate::app::App;
use crate::config::Settings;
use discovery::{JWKS, Metadata, OAUTH_METADATA, OPENID_METADATA};
use log::RequestLog;

/// Accepts connections until the process is told to end; then requests under way may finish. `workers` is the number
/// of threads; none: one a core.
pub fn serve(app: App, listener: TcpListener, workers: Option<usize>) -> std::io::Result<Server> {
    let settings = app.issuer.settings.clone();
    let metadata = Data::new(Metadata::of(&app.issuer.url));
    let app = Data::new(app);
    let grace = settings.server.shutdown_timeout.as_secs();
    let server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(app.clone())
            .app_data(metadata.clone())
            .configure(|config| routes(config, &settings))
            .default_service(web::to(error::not_found))
    });
    let server = match workers {
        Some(workers) => server.workers(workers),
        None => server,
    };
    Ok(server.shutdown_timeout(grace).listen(listener)?.run())
}

fn routes(config: &mut ServiceConfig, settings: &Settings) {
    let cors = || cors::listed(&settings.server.cors_origins);
    let log = TracingLogger::<RequestLog>::new;
    let jwks = resource(JWKS).route(get().to(discovery::jwks)).route(head().to(discovery::jwks));
    let metadata =
        |path| resource(path).route(get().to(discovery::metadata)).route(head().to(discovery::metadata));
    config
        .service(jwks)
        .service(metadata(OAUTH_METADATA))
        .service(metadata(OPENID_METADATA))
        .service(resource("/token").route(post().to(token::token)).wrap(cors()).wrap(log()))
        .service(resource("/revoke").route(post().to(revoke::revoke)).wrap(cors()).wrap(log()))
        .service(resource("/introspect").route(post().to(introspect::introspect)).wrap(cors()).wrap(log()))
        .service(resource("/userinfo").route(get().to(userinfo::userinfo)).wrap(cors()).wrap(log()))
        .service(resource("/livez").route(get().to(ops::livez)))
        .service(resource("/readyz").route(get().to(ops::readyz)));
}

fn resource(path: &str) -> Resource {
    web::resource(path).default_service(web::to(error::method_not_allowed))
}
