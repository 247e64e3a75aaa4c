//! `/account`: what people see and change of their own account, as pages of theirs with the cookie of a login.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use serde_json::json;

use super::browser::LoggedIn;
use super::error::HttpError;
use super::request::FormOrJson;
use super::uncached;
use crate::app::App;

/// `GET /account`.
pub async fn show(app: Data<App>, login: LoggedIn) -> HttpResponse {
    uncached(StatusCode::OK).json(app.issuer.account_info(login.0))
}

/// `PUT /account/password`: a form or JSON with `current_password` and `new_password`.
pub async fn change_password(
    app: Data<App>,
    login: LoggedIn,
    body: FormOrJson,
) -> Result<HttpResponse, HttpError> {
    app.issuer.change_password(&login.0, &body.0).await?;
    Ok(uncached(StatusCode::OK).json(json!({})))
}
