//! Whether somebody has a document already (RFC 9110 sections 8.8.3 and 13.1.2).

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, IfNoneMatch};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// The `ETag` of a body.
pub fn of(body: &str) -> String {
    format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(body)))
}

/// Whether `If-None-Match` names what we have.
pub fn is_known(request: &HttpRequest, etag: &str) -> bool {
    if !request.headers().contains_key(IfNoneMatch::name()) {
        return false;
    }
    let ours = EntityTag::new_strong(etag.trim_matches('"').to_owned());
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&ours)),
        Err(_) => false,
    }
}
