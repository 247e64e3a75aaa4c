//! Which pages may call from a browser. JWKS and metadata are open to all (see `http::discovery`); the other endpoints
//! to the listed origins, errors included.

use actix_cors::Cors;
use actix_web::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER};

/// How long a browser may remember a preflight, in seconds.
const PREFLIGHT_AGE: usize = 3600;

/// Lets pages of these origins call with cookies, too.
pub fn with_cookies(origins: &[String]) -> Cors {
    listed(origins).allowed_methods(["GET", "POST", "PUT", "DELETE"]).supports_credentials()
}

/// Lets pages of these origins call.
pub fn listed(origins: &[String]) -> Cors {
    let headers = [
        CONTENT_TYPE,
        AUTHORIZATION,
        HeaderName::from_static("x-requested-with"),
        HeaderName::from_static("x-csrf-token"),
    ];
    let cors = Cors::default()
        .allowed_methods(["GET", "POST"])
        .allowed_headers(headers)
        .expose_headers([RETRY_AFTER])
        .max_age(PREFLIGHT_AGE)
        // A request from elsewhere is answered without the headers, which the browser then hides from the page.
        .block_on_origin_mismatch(false);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}
