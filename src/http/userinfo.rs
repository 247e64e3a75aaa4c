//! `GET /userinfo`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::error::HttpError;
use super::request::authorization;
use crate::app::App;

/// Tells who the bearer is.
pub async fn userinfo(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let authorization = authorization(&request)?;
    let bearer = app.issuer.userinfo(authorization.as_deref()).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(bearer))
}
