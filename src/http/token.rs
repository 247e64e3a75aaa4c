//! `POST /token` (RFC 6749 section 3.2).

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, PRAGMA};
use actix_web::web::Data;

use super::error::HttpError;
use super::request::FormRequest;
use crate::app::App;

/// Exchanges credentials for tokens.
pub async fn token(app: Data<App>, request: FormRequest) -> Result<HttpResponse, HttpError> {
    let response = app.issuer.exchange(&request.0).await?;
    let no_store = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")]; // both: section 5.1
    let mut builder = HttpResponse::Ok();
    for header in no_store {
        builder.insert_header(header);
    }
    Ok(builder.json(response))
}
