//! The HTTP surface: every route and the order of the middleware on one screen. Handlers translate; what they mean
//! is in `oauth`.

mod account;
mod account_page;
mod address;
mod browser;
mod cors;
mod discovery;
mod drain;
mod error;
mod etag;
mod introspect;
mod log;
mod metrics;
mod ops;
mod request;
mod revoke;
mod token;
mod totp;
mod userinfo;

use std::net::TcpListener;

use actix_web::dev::{Server, Service};
use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{self, Data, ServiceConfig, delete, get, head, post, put};
use actix_web::{App as ActixApp, HttpResponse, HttpResponseBuilder, HttpServer, Resource, Route};
use tracing_actix_web::TracingLogger;

use crate::app::App;
use crate::config::Settings;
use discovery::{JWKS, OAUTH_METADATA, OPENID_METADATA};
use drain::Drain;
pub use drain::Ending;
use log::RequestLog;
pub use metrics::serve_metrics;

/// Accepts connections until it is ended. `workers` is the number of threads; none: one a core.
pub fn serve(app: App, listener: TcpListener, workers: Option<usize>) -> std::io::Result<(Server, Ending)> {
    let settings = app.issuer.settings.clone();
    let app = Data::new(app);
    let limits = settings.server.clone();
    let workers = workers.or_else(|| Some(std::thread::available_parallelism().ok()?.get())).unwrap_or(1);
    let drain = Drain::default();
    let (told, counted) = (drain.clone(), drain.clone());
    let server = HttpServer::new(move || {
        let drain = told.clone();
        ActixApp::new()
            .app_data(app.clone())
            .app_data(Data::new(told.clone()))
            .wrap_fn(move |request, service| drain.clone().tell(service.call(request)))
            .configure(|config| routes(config, &settings))
            .default_service(web::to(error::not_found))
    });
    let server = server
        .disable_signals()
        .on_connect(move |_, connection| drop(connection.insert(counted.enter())))
        .workers(workers)
        .max_connections((limits.max_connections as usize).div_ceil(workers)) // of each worker
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.request_timeout)
        .shutdown_timeout(limits.shutdown_timeout.as_secs());
    let door = listener.try_clone()?;
    let server = server.listen(listener)?.run();
    let ending = Ending::of(&server, drain, door, limits.drain_time);
    Ok((server, ending))
}

fn routes(config: &mut ServiceConfig, settings: &Settings) {
    let cors = || cors::listed(&settings.server.cors_origins);
    let log = TracingLogger::<RequestLog>::new;
    config
        .service(fetched(JWKS, get().to(discovery::jwks), head().to(discovery::jwks)))
        .service(fetched(OAUTH_METADATA, get().to(discovery::metadata), head().to(discovery::metadata)))
        .service(fetched(OPENID_METADATA, get().to(discovery::metadata), head().to(discovery::metadata)))
        .service(posted("/token", post().to(token::token)).wrap(cors()).wrap(log()))
        .service(posted("/revoke", post().to(revoke::revoke)).wrap(cors()).wrap(log()))
        .service(posted("/introspect", post().to(introspect::introspect)).wrap(cors()).wrap(log()))
        .service(
            fetched("/userinfo", get().to(userinfo::userinfo), head().to(userinfo::userinfo))
                .wrap(cors())
                .wrap(log()),
        )
        .configure(|config| browser_routes(config, settings))
        .service(fetched("/livez", get().to(ops::livez), head().to(ops::livez)))
        .service(fetched("/readyz", get().to(ops::readyz), head().to(ops::readyz)));
}

/// None where no client is named for them.
fn browser_routes(config: &mut ServiceConfig, settings: &Settings) {
    if settings.browser.client.is_none() {
        return;
    }
    let page = |resource: Resource| {
        resource.wrap(cors::with_cookies(&settings.browser.origins)).wrap(TracingLogger::<RequestLog>::new())
    };
    config
        .service(page(posted("/session/login", post().to(browser::login))))
        .service(page(posted("/session/refresh", post().to(browser::refresh))))
        .service(page(posted("/session/logout", post().to(browser::logout))))
        .service(page(fetched("/session", get().to(browser::session), head().to(browser::session))))
        .service(page(fetched("/session/csrf", get().to(browser::csrf), head().to(browser::csrf))));
    if settings.browser.path != "/" {
        return; // the cookies would not come
    }
    config
        .service(page(resource(
            "/account",
            "GET, HEAD, POST",
            [
                get().guard(account_page::is_visit()).to(account_page::open),
                get().to(account::show),
                head().to(account::show),
                post().to(account::sign_up),
            ],
        )))
        .service(page(resource("/account/password", "PUT", [put().to(account::change_password)])))
        .service(page(resource(
            "/account/sessions",
            "GET, HEAD, DELETE",
            [
                get().to(account::sessions),
                head().to(account::sessions),
                delete().to(account::end_other_sessions),
            ],
        )))
        .service(page(resource("/account/sessions/{sid}", "DELETE", [delete().to(account::end_session)])))
        .service(page(posted("/account/delete", post().to(account::delete))))
        .service(page(resource(
            "/account/totp",
            "GET, HEAD, POST",
            [get().to(totp::status), head().to(totp::status), post().to(totp::propose)],
        )))
        .service(page(posted("/account/totp/confirm", post().to(totp::confirm))))
        .service(page(posted("/account/totp/recovery-codes", post().to(totp::recovery_codes))))
        .service(page(posted("/account/totp/disable", post().to(totp::disable))))
        .configure(|config| account_page::routes(config, settings));
}

fn posted(path: &str, handler: Route) -> Resource {
    resource(path, "POST", [handler])
}

fn fetched(path: &str, getter: Route, header: Route) -> Resource {
    resource(path, "GET, HEAD", [getter, header])
}

fn resource<const N: usize>(path: &str, methods: &'static str, routes: [Route; N]) -> Resource {
    let otherwise = move || async move { error::method_not_allowed(methods) };
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(web::to(otherwise))
}

/// An answer about somebody, for nobody to keep.
fn uncached(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}
