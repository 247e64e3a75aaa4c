//! `POST /introspect` (RFC 7662).

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;

use super::error::HttpError;
use super::request::FormRequest;
use crate::app::App;

/// Tells a confidential client about a token.
pub async fn introspect(app: Data<App>, request: FormRequest) -> Result<HttpResponse, HttpError> {
    let answer = app.issuer.introspect(&request.0).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(answer))
}
