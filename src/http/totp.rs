//! `/account/totp`: people's own second factor, as pages of theirs with the cookie of a login.

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::address::client_address;
use super::browser::LoggedIn;
use super::error::HttpError;
use super::request::FormOrJson;
use super::uncached;
use crate::app::App;

/// `GET /account/totp`.
pub async fn status(app: Data<App>, login: LoggedIn) -> Result<HttpResponse, HttpError> {
    Ok(uncached(StatusCode::OK).json(app.issuer.totp_status(&login.0).await?))
}

/// `POST /account/totp`: a form or JSON with `password`.
pub async fn propose(app: Data<App>, login: LoggedIn, body: FormOrJson) -> Result<HttpResponse, HttpError> {
    Ok(uncached(StatusCode::OK).json(app.issuer.propose_totp(&login.0, &body.0).await?))
}

/// `POST /account/totp/confirm`: `otp`.
pub async fn confirm(
    app: Data<App>,
    request: HttpRequest,
    login: LoggedIn,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    let from = address(&app, &request);
    Ok(uncached(StatusCode::OK).json(app.issuer.confirm_totp(&login.0, &body.0, from).await?))
}

/// `POST /account/totp/recovery-codes`: `password` and `otp`.
pub async fn recovery_codes(
    app: Data<App>,
    request: HttpRequest,
    login: LoggedIn,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    let from = address(&app, &request);
    Ok(uncached(StatusCode::OK).json(app.issuer.replace_recovery_codes(&login.0, &body.0, from).await?))
}

/// `POST /account/totp/disable`: `password`, and `otp` or `recovery_code`.
pub async fn disable(
    app: Data<App>,
    request: HttpRequest,
    login: LoggedIn,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    app.issuer.turn_totp_off(&login.0, &body.0, address(&app, &request)).await?;
    Ok(uncached(StatusCode::OK).json(json!({})))
}

fn address(app: &App, request: &HttpRequest) -> IpAddr {
    client_address(request.head(), &app.issuer.settings.server)
}
