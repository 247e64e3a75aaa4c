//! `/account/`: a page where people see and change their own account. Static files within the binary, which use the
//! routes of `/session` and `/account` as any page of the issuer's origin may. Nothing comes from elsewhere, and the
//! Content Security Policy sees to that.

use actix_web::guard::{Guard, Header};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::web::{Data, ServiceConfig, get, head};
use actix_web::{HttpRequest, HttpResponse};

use super::{etag, fetched, uncached};
use crate::config::Settings;

const HTML: &str = include_str!("account_page/index.html");
const STYLE: &str = include_str!("account_page/style.css");
const SCRIPTS: [(&str, &str); 3] = [
    ("page.js", include_str!("account_page/page.js")),
    ("api.js", include_str!("account_page/api.js")),
    ("sessions.js", include_str!("account_page/sessions.js")),
];

/// Images may be data: the QR code is one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
    connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// A file of the page.
struct File {
    content_type: &'static str,
    body: String,
    etag: String,
}

impl File {
    fn new(content_type: &'static str, body: String) -> Self {
        Self { content_type, etag: etag::of(&body), body }
    }
}

/// The page and its files.
pub fn routes(config: &mut ServiceConfig, settings: &Settings) {
    let accounts = &settings.accounts;
    let html = HTML
        .replace("{{issuer}}", settings.issuer.url.as_deref().unwrap_or_default()) // a URL, which holds no quotes
        .replace("{{sign_up}}", &accounts.sign_up.to_string())
        .replace("{{min_password_length}}", &accounts.min_password_length.to_string());
    let scripts =
        SCRIPTS.map(|(name, body)| (name, File::new("text/javascript; charset=utf-8", body.into())));
    let others = [
        ("", File::new("text/html; charset=utf-8", html)),
        ("style.css", File::new("text/css; charset=utf-8", STYLE.to_owned())),
    ];
    for (name, file) in others.into_iter().chain(scripts) {
        let resource = fetched(&format!("/account/{name}"), get().to(serve), head().to(serve));
        config.service(resource.app_data(Data::new(file)));
    }
}

/// Whether somebody opens an address, and no script asks (Fetch Metadata, section 2.2).
pub fn is_visit() -> impl Guard {
    Header("sec-fetch-mode", "navigate")
}

/// `GET /account` by whoever left out the last stroke: a person wants the page, not JSON.
pub async fn open() -> HttpResponse {
    uncached(StatusCode::SEE_OTHER).insert_header((LOCATION, "account/")).finish()
}

async fn serve(file: Data<File>, request: HttpRequest) -> HttpResponse {
    let is_unchanged = etag::is_known(&request, &file.etag);
    let mut response = if is_unchanged { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((CACHE_CONTROL, "no-cache")) // a new binary has new files
        .insert_header((ETAG, file.etag.as_str()))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((OPENER_POLICY, "same-origin"));
    if is_unchanged {
        return response.finish();
    }
    response.insert_header((CONTENT_TYPE, file.content_type)).body(file.body.clone())
}
