//! Which pages may change anything: those of the listed origins. Browsers name the page's origin in `Origin`, or at least
//! how far away it is in `Sec-Fetch-Site` (Fetch Metadata), and pages can change neither.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, ORIGIN};

use crate::config::BrowserSettings;
use crate::oauth::OAuthError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what does not come from a page of ours.
pub fn check(request: &HttpRequest, settings: &BrowserSettings) -> Result<(), OAuthError> {
    let mut origins = request.headers().get_all(ORIGIN);
    let is_ours = match (origins.next(), origins.next()) {
        (Some(origin), None) => settings.origins.iter().any(|known| origin == known.as_str()),
        (None, None) => request.headers().get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin"),
        (_, Some(_)) => false,
    };
    if is_ours {
        return Ok(());
    }
    Err(OAuthError::AccessDenied("the request does not come from a page of an origin in browser.origins"))
}
