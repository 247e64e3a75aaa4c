//! `POST /revoke` (RFC 7009).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use serde_json::json;

use super::error::HttpError;
use super::request::FormRequest;
use crate::app::App;

/// Ends a token. `{}`, because some clients parse the body whatever RFC 7009 says.
pub async fn revoke(app: Data<App>, request: FormRequest) -> Result<HttpResponse, HttpError> {
    app.issuer.revoke(&request.0).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(json!({})))
}
