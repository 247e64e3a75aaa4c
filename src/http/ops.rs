//! `GET /livez` and `GET /readyz`: for orchestrators and `chancery healthcheck`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde_json::json;

use crate::app::App;
use crate::store::keys;

/// The process answers. Depends on nothing: a restart would not mend a database.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// The database takes writes too.
pub async fn readyz(app: Data<App>) -> HttpResponse {
    match app.issuer.store.write(keys::version).await {
        Ok(_) => HttpResponse::Ok().json(json!({ "status": "ok", "database": "ok" })),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            HttpResponse::ServiceUnavailable()
                .json(json!({ "status": "unavailable", "database": "unavailable" }))
        }
    }
}
