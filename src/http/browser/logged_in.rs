//! The check of a login that every route of an account begins with: an open session behind the cookie and, for whatever
//! changes something, a page of ours that shows the session's CSRF token. Otherwise 401 `login_required`.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderName;
use actix_web::{FromRequest, HttpRequest};

use super::{cookies, origin};
use crate::config::BrowserSettings;
use crate::http::error::HttpError;
use crate::http::request::app;
use crate::oauth::{self, OAuthError, Reason};

const CSRF: HeaderName = HeaderName::from_static("x-csrf-token");

/// Who is logged in.
pub struct LoggedIn(pub oauth::LoggedIn);

impl FromRequest for LoggedIn {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, HttpError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let issuer = &app(&request)?.issuer;
            let settings = &issuer.settings.browser;
            let is_change = !request.method().is_safe();
            if is_change {
                origin::check(&request, settings)?;
            }
            let token = cookie(&request, settings)?;
            let check = async {
                if is_change {
                    issuer.check_csrf(&token, csrf_token(&request)).await?;
                }
                issuer.logged_in(&token).await
            };
            Ok(Self(check.await.map_err(|error| or_login_required(error, settings))?))
        })
    }
}

/// The refresh token's cookie, which must be there.
pub fn cookie(request: &HttpRequest, settings: &BrowserSettings) -> Result<String, HttpError> {
    let token = cookies::refresh_token(request, settings)?;
    // Nothing is taken away: a link on another site sends no cookie where it is SameSite, and would end the login.
    token.ok_or(HttpError::LoginRequired { reason: Reason::Missing, cookies: Vec::new() })
}

/// What the page shows besides its cookie.
pub fn csrf_token(request: &HttpRequest) -> Option<&str> {
    request.headers().get(CSRF)?.to_str().ok()
}

/// For a cookie that is no good: the page should show its login form, and the cookie goes.
pub fn or_login_required(error: OAuthError, settings: &BrowserSettings) -> HttpError {
    match error {
        OAuthError::InvalidGrant(reason) => {
            HttpError::LoginRequired { reason, cookies: cookies::cleared(settings) }
        }
        other => other.into(),
    }
}
