//! `GET /livez` and `GET /readyz`: for orchestrators and `chancery healthcheck`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use super::drain::Drain;
use crate::app::App;
use crate::store::keys;

/// The process answers. Depends on nothing: a restart would not mend a database.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The database takes writes, and there is a key to sign with. Tells about Redis, which may be missing.
pub async fn readyz(app: Data<App>, drain: Data<Drain>) -> HttpResponse {
    if drain.is_on() {
        return HttpResponse::ServiceUnavailable().json(json!({ "status": "draining" }));
    }
    let database = app.issuer.store.execute(keys::version).await.map(drop);
    let signing = app.issuer.keys.current().await.map(drop);
    let part = |outcome: Result<(), String>| match outcome {
        Ok(()) => "ok",
        Err(error) => {
            tracing::warn!(error, "not ready");
            "unavailable"
        }
    };
    let is_ready = database.is_ok() && signing.is_ok();
    let mut response = if is_ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    let mut report = json!({
        "status": if is_ready { "ok" } else { "unavailable" },
        "database": part(database.map_err(|error| error.to_string())),
        "keys": part(signing.map_err(|error| error.to_string())),
    });
    // A warning: everything works without it.
    if let Some(health) = app.issuer.store.redis().health() {
        report["redis"] =
            health.map_or_else(|mode| format!("out of use: {mode}"), |()| "ok".to_owned()).into();
    }
    response.json(report)
}
