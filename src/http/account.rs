//! `/account`: what people see and change of their own account, as pages of theirs with the cookie of a login.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::browser::{LoggedIn, origin, signed_out};
use super::error::HttpError;
use super::request::{FormOrJson, requester};
use super::uncached;
use crate::app::App;
use crate::oauth::Door;

/// `GET /account`.
pub async fn show(app: Data<App>, login: LoggedIn) -> Result<HttpResponse, HttpError> {
    Ok(uncached(StatusCode::OK).json(app.issuer.account_info(login.0).await?))
}

/// `POST /account`: a form or JSON with `username`, `password` and perhaps `email`.
pub async fn sign_up(
    app: Data<App>,
    request: HttpRequest,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    let settings = &app.issuer.settings;
    origin::check(&request, &settings.browser)?;
    let from = requester(&request, &settings.server, Door::Browser);
    Ok(uncached(StatusCode::CREATED).json(app.issuer.sign_up(&body.0, &from).await?))
}

/// `PUT /account/password`: a form or JSON with `current_password` and `new_password`.
pub async fn change_password(
    app: Data<App>,
    request: HttpRequest,
    login: LoggedIn,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    let from = requester(&request, &app.issuer.settings.server, Door::Browser);
    app.issuer.change_password(&login.0, &body.0, &from).await?;
    Ok(done())
}

/// `GET /account/sessions`.
pub async fn sessions(app: Data<App>, login: LoggedIn) -> Result<HttpResponse, HttpError> {
    let sessions = app.issuer.own_sessions(&login.0).await?;
    Ok(uncached(StatusCode::OK).json(json!({ "sessions": sessions })))
}

/// `DELETE /account/sessions`: all but this one.
pub async fn end_other_sessions(app: Data<App>, login: LoggedIn) -> Result<HttpResponse, HttpError> {
    let closed = app.issuer.end_other_sessions(&login.0).await?;
    Ok(uncached(StatusCode::OK).json(json!({ "closed": closed })))
}

/// `DELETE /account/sessions/{sid}`.
pub async fn end_session(
    app: Data<App>,
    login: LoggedIn,
    sid: Path<String>,
) -> Result<HttpResponse, HttpError> {
    if app.issuer.end_own_session(&login.0, &sid).await? {
        return Ok(signed_out(&app.issuer.settings.browser));
    }
    Ok(done())
}

/// `POST /account/delete`: a form or JSON with `password`.
pub async fn delete(app: Data<App>, login: LoggedIn, body: FormOrJson) -> Result<HttpResponse, HttpError> {
    app.issuer.delete_account(&login.0, &body.0).await?;
    Ok(signed_out(&app.issuer.settings.browser))
}

fn done() -> HttpResponse {
    uncached(StatusCode::OK).json(json!({}))
}
