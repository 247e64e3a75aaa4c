//! `/session`: logging in, refreshing and logging out with HttpOnly cookies. Whatever changes something must come from a
//! page of a listed origin, and with a cookie also show the session's CSRF token.

mod cookies;
mod origin;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use secrecy::ExposeSecret;
use serde_json::json;

use super::error::HttpError;
use super::request::{FormOrJson, requester};
use crate::app::App;
use crate::oauth::{Door, OAuthError, Reason, SignedIn};

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// `POST /session/login`: a form or JSON with `username` and `password`.
pub async fn login(
    app: Data<App>,
    request: HttpRequest,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    let settings = &app.issuer.settings;
    origin::check(&request, &settings.browser)?;
    let from = requester(&request, &settings.server, Door::Browser);
    Ok(signed_in(&app, app.issuer.sign_in(&body.0, from).await?))
}

/// `POST /session/refresh`: all is in the cookie and the header.
pub async fn refresh(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let settings = &app.issuer.settings;
    origin::check(&request, &settings.browser)?;
    let from = requester(&request, &settings.server, Door::Browser);
    let Some(token) = cookies::refresh_token(&request, &settings.browser)? else {
        return Ok(signed_out(&app, Reason::Missing));
    };
    match app.issuer.renew(&token, csrf_token(&request), from).await {
        Err(OAuthError::InvalidGrant(reason)) => Ok(signed_out(&app, reason)),
        renewed => Ok(signed_in(&app, renewed?)),
    }
}

/// `POST /session/logout`. Whoever is not logged in is logged out.
pub async fn logout(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let settings = &app.issuer.settings.browser;
    origin::check(&request, settings)?;
    if let Some(token) = cookies::refresh_token(&request, settings)? {
        match app.issuer.sign_out(&token, csrf_token(&request)).await {
            Ok(()) | Err(OAuthError::InvalidGrant(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = uncached(StatusCode::OK);
    cookies::clear(&mut response, settings);
    Ok(response.json(json!({})))
}

/// `GET /session`: who is logged in.
pub async fn session(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let Some(token) = cookies::refresh_token(&request, &app.issuer.settings.browser)? else {
        return Ok(signed_out(&app, Reason::Missing));
    };
    match app.issuer.session_info(&token).await {
        Err(OAuthError::InvalidGrant(reason)) => Ok(signed_out(&app, reason)),
        info => Ok(uncached(StatusCode::OK).json(info?)),
    }
}

/// `GET /session/csrf`: the session's CSRF token alone.
pub async fn csrf(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let Some(token) = cookies::refresh_token(&request, &app.issuer.settings.browser)? else {
        return Ok(signed_out(&app, Reason::Missing));
    };
    match app.issuer.csrf_token(&token).await {
        Err(OAuthError::InvalidGrant(reason)) => Ok(signed_out(&app, reason)),
        token => Ok(uncached(StatusCode::OK).json(json!({ "csrf_token": token? }))),
    }
}

fn csrf_token(request: &HttpRequest) -> Option<&str> {
    request.headers().get(CSRF)?.to_str().ok()
}

/// RFC 6749 section 5.1 without what the cookies hold.
fn signed_in(app: &App, signed_in: SignedIn) -> HttpResponse {
    let settings = &app.issuer.settings.browser;
    let SignedIn { mut response, refresh, csrf_token } = signed_in;
    let access = settings.access_cookie.is_some().then(|| response.take_access_token()).flatten();
    let mut answer = uncached(StatusCode::OK);
    let access = access.as_ref().map(|token| (token.expose_secret(), response.lifetime()));
    cookies::set(&mut answer, settings, (refresh.token.expose_secret(), refresh.life), access);
    let mut body = json!(response);
    body["csrf_token"] = csrf_token.into();
    answer.json(body)
}

/// There is no session, or none any more: the page should show its login form. Only a cookie that was sent is taken away:
/// a link on another site sends none where it is SameSite, and would end the login.
fn signed_out(app: &App, reason: Reason) -> HttpResponse {
    tracing::info!(%reason, "signed out");
    let mut response = uncached(StatusCode::UNAUTHORIZED);
    if reason != Reason::Missing {
        cookies::clear(&mut response, &app.issuer.settings.browser);
    }
    response.json(json!({ "error": "login_required", "error_description": "nobody is logged in here" }))
}

fn uncached(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((CACHE_CONTROL, "no-store"));
    response
}
