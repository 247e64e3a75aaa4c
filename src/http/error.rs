//! Every error as RFC 6749 section 5.2 JSON with the right status. The cause goes to the log (`http::log` writes it
//! once), never to the client.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::oauth::{OAuthError, Reason};

/// A refusal with its status. Its `Display` is for the log.
#[derive(Debug)]
pub enum HttpError {
    /// The protocol's own.
    OAuth(OAuthError),
    /// The page should show its login form.
    LoginRequired {
        /// Why; for the log.
        reason: Reason,
        /// Those that are taken away.
        cookies: Vec<HeaderValue>,
    },
    /// The body is none of these.
    MediaType(&'static str),
    /// The body is too long.
    TooLarge,
    /// The body does not come.
    TooSlow,
}

const BASIC: &str = "Basic realm=\"chancery\", charset=\"UTF-8\"";
/// Seconds after which a retry may find room.
const RETRY_SECONDS: u64 = 1;

impl From<OAuthError> for HttpError {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OAuth(error) => error.fmt(f),
            Self::LoginRequired { reason, .. } => write!(f, "login_required: {reason}"),
            Self::MediaType(_) | Self::TooLarge | Self::TooSlow => f.write_str(&self.parts().1),
        }
    }
}

impl HttpError {
    fn parts(&self) -> (&str, Cow<'_, str>) {
        let description = match self {
            Self::OAuth(error) => return (error.code(), error.description().into()),
            Self::LoginRequired { .. } => return ("login_required", "nobody is logged in here".into()),
            Self::MediaType(wanted) => format!("the body must be {wanted}").into(),
            Self::TooLarge => "the body must be at most 64 KiB".into(),
            Self::TooSlow => "the body did not come in time".into(),
        };
        ("invalid_request", description)
    }

    /// `WWW-Authenticate`: Basic only for those who tried it, because browsers answer it with a dialogue.
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::OAuth(OAuthError::InvalidClient { basic: true, .. }) => Some(BASIC),
            Self::OAuth(OAuthError::InvalidToken(Reason::Missing)) => Some("Bearer"),
            Self::OAuth(OAuthError::InvalidToken(_)) => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }

    /// `Retry-After`, in seconds.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::OAuth(OAuthError::TooManyRequests { retry_after, .. }) => {
                Some(retry_after.as_secs().max(1))
            }
            Self::OAuth(OAuthError::Unavailable(_)) => Some(RETRY_SECONDS),
            _ => None,
        }
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::OAuth(error) => match error {
                OAuthError::NoClient | OAuthError::InvalidClient { .. } | OAuthError::InvalidToken(_) => {
                    StatusCode::UNAUTHORIZED
                }
                OAuthError::AccessDenied(_) => StatusCode::FORBIDDEN,
                OAuthError::NotFound(_) => StatusCode::NOT_FOUND,
                OAuthError::Conflict { .. } => StatusCode::CONFLICT,
                OAuthError::TooManyRequests { .. } => StatusCode::TOO_MANY_REQUESTS,
                OAuthError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                OAuthError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::BAD_REQUEST,
            },
            Self::LoginRequired { .. } => StatusCode::UNAUTHORIZED,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let (code, description) = self.parts();
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.challenge() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Self::LoginRequired { cookies, .. } = self {
            for cookie in cookies {
                response.append_header((SET_COOKIE, cookie.clone()));
            }
        }
        if let Some(seconds) = self.retry_after() {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if matches!(self, Self::TooSlow | Self::TooLarge) {
            response.force_close(); // the rest of the body is of no interest
        }
        let mut body = json!({ "error": code, "error_description": description });
        if let Self::OAuth(OAuthError::MfaRequired { mfa_token, expires_in }) = self {
            body["mfa_token"] = mfa_token.expose_secret().into();
            body["expires_in"] = (*expires_in).into();
        }
        response.json(body)
    }
}

/// Whatever has no route.
pub async fn not_found() -> HttpResponse {
    let body = json!({ "error": "not_found", "error_description": "there is nothing at this path" });
    HttpResponse::NotFound().json(body)
}

/// A route with another method; `allowed` are its own.
pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let description = format!("the method must be {allowed}");
    HttpResponse::MethodNotAllowed()
        .insert_header((ALLOW, allowed))
        .json(json!({ "error": "invalid_request", "error_description": description }))
}
