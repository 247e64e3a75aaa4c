//! `/session`: logging in, refreshing and logging out with HttpOnly cookies. Whatever changes something must come from a
//! page of a listed origin, and with a cookie also show the session's CSRF token.

mod cookies;
mod logged_in;
pub mod origin;

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret;
use serde_json::json;

use super::error::HttpError;
use super::request::{FormOrJson, requester};
use super::uncached;
use crate::app::App;
use crate::config::BrowserSettings;
use crate::oauth::{Door, OAuthError, SignedIn};
pub use logged_in::LoggedIn;
use logged_in::{csrf_token, or_login_required};

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
    let token = logged_in::cookie(&request, &settings.browser)?;
    let renewed = app.issuer.renew(&token, csrf_token(&request), from).await;
    Ok(signed_in(&app, renewed.map_err(|error| or_login_required(error, &settings.browser))?))
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
    Ok(signed_out(settings))
}

/// `GET /session`: who is logged in.
pub async fn session(app: Data<App>, login: LoggedIn) -> Result<HttpResponse, HttpError> {
    Ok(uncached(StatusCode::OK).json(app.issuer.session_info(login.0).await?))
}

/// `GET /session/csrf`: the session's CSRF token alone.
pub async fn csrf(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let settings = &app.issuer.settings.browser;
    let token = logged_in::cookie(&request, settings)?;
    let csrf_token = app.issuer.csrf_token(&token).await;
    let csrf_token = csrf_token.map_err(|error| or_login_required(error, settings))?;
    Ok(uncached(StatusCode::OK).json(json!({ "csrf_token": csrf_token })))
}

/// Done, and nobody is logged in any more.
pub fn signed_out(settings: &BrowserSettings) -> HttpResponse {
    let mut response = uncached(StatusCode::OK);
    for cookie in cookies::cleared(settings) {
        response.append_header((SET_COOKIE, cookie));
    }
    response.json(json!({}))
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
