//! From an HTTP request to [`oauth::Request`]: a form in the body (or, for pages, JSON), nothing secret in the query.

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, USER_AGENT};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use std::future::Future;
use std::pin::Pin;
use tokio::time::timeout;

use super::address::client_address;
use super::error::HttpError;
use crate::app::App;
use crate::config::ServerSettings;
use crate::oauth::{self, Door, Form, OAuthError, Requester};

/// Longer bodies are refused.
const MAX_BODY: usize = 64 * 1024;
/// Longer names of browsers are cut.
const MAX_USER_AGENT: usize = 200;
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// What must never stand in a URL: it ends up in logs and histories (RFC 6749 section 2.3.1).
const ONLY_IN_BODY: [&str; 11] = [
    "password",
    "otp",
    "recovery_code",
    "mfa_token",
    "username",
    "client_id",
    "client_secret",
    "refresh_token",
    "token",
    "client_assertion",
    "grant_type",
];

/// A request with a form, checked as far as HTTP is concerned.
pub struct FormRequest(pub oauth::Request);

impl FromRequest for FormRequest {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let settings = &app(&request)?.issuer.settings.server;
            if !is_type(&request, FORM) {
                return Err(HttpError::MediaType(FORM));
            }
            let authorization = authorization(&request)?;
            let form = Form::parse(&read(&request, payload, settings).await?)?;
            Ok(Self(oauth::Request {
                authorization,
                form,
                from: requester(&request, settings, Door::Clients),
            }))
        })
    }
}

/// What a page sends: a form, or the same as a JSON object.
pub struct FormOrJson(pub Form);

impl FromRequest for FormOrJson {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload).into_inner();
        Box::pin(async move {
            let settings = &app(&request)?.issuer.settings.server;
            let parse = match (is_type(&request, FORM), is_type(&request, JSON)) {
                (true, _) => Form::parse,
                (_, true) => Form::parse_json,
                _ => {
                    return Err(HttpError::MediaType(
                        "application/json or application/x-www-form-urlencoded",
                    ));
                }
            };
            Ok(Self(parse(&read(&request, payload, settings).await?)?))
        })
    }
}

/// For extractors; handlers are given it.
pub fn app(request: &HttpRequest) -> Result<&App, HttpError> {
    let app = request.app_data::<Data<App>>();
    Ok(app.ok_or_else(|| OAuthError::Internal("the application is missing".to_owned()))?)
}

fn is_type(request: &HttpRequest, wanted: &str) -> bool {
    request.content_type().trim().eq_ignore_ascii_case(wanted)
}

/// The body, in time and not too long.
async fn read(
    request: &HttpRequest,
    payload: Result<web::Payload, actix_web::Error>,
    settings: &ServerSettings,
) -> Result<web::Bytes, HttpError> {
    check_query(request.query_string())?;
    let unreadable = || malformed("the body could not be read");
    let body = payload.map_err(|_| unreadable())?.to_bytes_limited(MAX_BODY);
    let body = timeout(settings.request_timeout, body).await.map_err(|_| HttpError::TooSlow)?;
    body.map_err(|_| HttpError::TooLarge)?.map_err(|_| unreadable())
}

/// Who sends a request.
pub fn requester(request: &HttpRequest, settings: &ServerSettings, door: Door) -> Requester {
    let user_agent = request.headers().get(USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect());
    Requester { address: client_address(request.head(), settings), user_agent, door }
}

/// The `Authorization` header, at most one.
pub fn authorization(request: &HttpRequest) -> Result<Option<String>, HttpError> {
    let mut values = request.headers().get_all(AUTHORIZATION);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(malformed("the Authorization header is given twice"));
    }
    let text = value.to_str().map_err(|_| malformed("the Authorization header is not ASCII"))?;
    Ok(Some(text.to_owned()))
}

fn check_query(query: &str) -> Result<(), HttpError> {
    let form = Form::parse(query.as_bytes())?;
    match ONLY_IN_BODY.iter().find(|name| form.get(name).is_some()) {
        Some(name) => Err(malformed(&format!("the parameter {name} must be in the body, not in the URL"))),
        None => Ok(()),
    }
}

fn malformed(problem: &str) -> HttpError {
    OAuthError::InvalidRequest(problem.to_owned()).into()
}
