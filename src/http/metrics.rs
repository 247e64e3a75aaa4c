//! `GET /metrics` on a port of its own, in the OpenMetrics text format that Prometheus scrapes.

use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{self, Data, get, head};
use actix_web::{App as ActixApp, HttpResponse, HttpServer};
use prometheus_client::encoding::text::encode;

use super::{error, fetched};
use crate::app::App;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves metrics beside the main server, until the runtime ends.
pub fn serve_metrics(app: App, listener: TcpListener) -> std::io::Result<Server> {
    let patience = app.issuer.settings.server.request_timeout;
    let app = Data::new(app);
    let server = HttpServer::new(move || {
        let metrics = fetched("/metrics", get().to(metrics), head().to(metrics));
        ActixApp::new().app_data(app.clone()).service(metrics).default_service(web::to(error::not_found))
    });
    Ok(server.client_request_timeout(patience).workers(1).disable_signals().listen(listener)?.run())
}

async fn metrics(app: Data<App>) -> HttpResponse {
    let mut text = String::new();
    match encode(&mut text, &app.metrics) {
        Ok(()) => HttpResponse::Ok().insert_header((CONTENT_TYPE, OPENMETRICS)).body(text),
        Err(std::fmt::Error) => HttpResponse::ServiceUnavailable().finish(),
    }
}
