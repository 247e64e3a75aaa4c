//! What verifiers and client libraries fetch: the JWKS (RFC 7517) and the authorization server metadata (RFC 8414,
//! at OpenID Connect's path too). Served from memory, cacheable, open to every origin.

use actix_web::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::etag;
use crate::app::App;
use crate::config::Algorithm;
use crate::oauth;

/// Where the JWKS is.
pub const JWKS: &str = "/.well-known/jwks.json";
/// RFC 8414's path of the metadata.
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect's.
pub const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// Describes an issuer at this URL that signs with these algorithms.
fn describe(issuer: &str, algorithms: &[Algorithm]) -> String {
    let base = issuer.trim_end_matches('/');
    let methods = ["client_secret_basic", "client_secret_post", "none"];
    let metadata = json!({
            "issuer": issuer,
            "token_endpoint": format!("{base}/token"),
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint": format!("{base}/revoke"),
            "revocation_endpoint_auth_methods_supported": methods,
            "introspection_endpoint": format!("{base}/introspect"),
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "userinfo_endpoint": format!("{base}/userinfo"),
            "jwks_uri": format!("{base}{JWKS}"),
            "grant_types_supported": oauth::grant_types(),
            // Required by RFC 8414 and OpenID Connect Discovery; there is no authorization endpoint to use them at.
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
    });
    metadata.to_string()
}

/// `GET /.well-known/jwks.json`
pub async fn jwks(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let ring = app.issuer.keys.ring();
    let jwks = ring.jwks();
    document(&app, &request, &jwks.body, &jwks.etag)
}

/// `GET /.well-known/oauth-authorization-server` and `GET /.well-known/openid-configuration`
pub async fn metadata(app: Data<App>, request: HttpRequest) -> HttpResponse {
    let body = describe(&app.issuer.url, &app.issuer.keys.ring().algorithms());
    document(&app, &request, &body, &etag::of(&body))
}

fn document(app: &App, request: &HttpRequest, body: &str, etag: &str) -> HttpResponse {
    let unchanged = etag::is_known(request, etag);
    let mut response = if unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    let max_age = app.issuer.settings.jwks.max_age.as_secs();
    response
        .insert_header((CACHE_CONTROL, format!("public, max-age={max_age}, must-revalidate")))
        .insert_header((ETAG, etag))
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
    if unchanged {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, "application/json")).body(body.to_owned())
}
