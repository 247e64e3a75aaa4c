//! What a client may learn of a refusal (RFC 6749 section 5.2), and what the log learns beside it. `http::error` gives
//! each its status.

use std::time::Duration;

use secrecy::SecretString;

use crate::accounts::lockout::{Denied, Limit};
use crate::accounts::password::{HashError, Weakness};
use crate::keys::KeyError;
use crate::store::StoreError;

/// A refusal or failure. Its `Display` is for the log; the client sees [`OAuthError::code`] and
/// [`OAuthError::description`] alone.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The request is malformed.
    #[error("invalid_request: {0}")]
    InvalidRequest(String),
    /// Nothing in the request says which client is asking.
    #[error("invalid_client: no client is named")]
    NoClient,
    /// The client did not prove who it is.
    #[error("invalid_client: {reason}")]
    InvalidClient {
        /// For the log.
        reason: &'static str,
        /// Whether it tried with HTTP Basic, which then is asked for.
        basic: bool,
    },
    /// The password or refresh token is no good.
    #[error("invalid_grant: {0}")]
    InvalidGrant(Reason),
    /// The password is right, and a code must follow.
    #[error("mfa_required")]
    MfaRequired {
        /// To be shown with the code.
        mfa_token: SecretString,
        /// Seconds.
        expires_in: u64,
    },
    /// The client may not use this grant, or not this endpoint.
    #[error("unauthorized_client: {0}")]
    UnauthorizedClient(&'static str),
    /// There is no such grant here.
    #[error("unsupported_grant_type")]
    UnsupportedGrantType,
    /// The scope is malformed or more than allowed.
    #[error("invalid_scope: {0}")]
    InvalidScope(String),
    /// The resource is not on the client's list (RFC 8707).
    #[error("invalid_target")]
    InvalidTarget,
    /// The bearer token is no good (RFC 6750).
    #[error("invalid_token: {0}")]
    InvalidToken(Reason),
    /// A page that may not, or does not show that it may.
    #[error("access_denied: {0}")]
    AccessDenied(&'static str),
    /// A new password is too short or too easy to guess.
    #[error("weak_password")]
    WeakPassword(Weakness),
    /// There is none of this name.
    #[error("not_found: {0}")]
    NotFound(&'static str),
    /// It is that way already, or cannot be.
    #[error("{code}: {problem}")]
    Conflict {
        /// The `error` member.
        code: &'static str,
        /// The `error_description` member.
        problem: &'static str,
    },
    /// Too many wrong guesses were made at a secret, or too much else; this one was not looked at.
    #[error("too_many_requests: too many {limit}")]
    TooManyRequests {
        /// What is full.
        limit: Limit,
        /// How long the next guess must wait.
        retry_after: Duration,
    },
    /// A part that is needed is down or busy; a retry may succeed. Nothing was done, unless a commit got no answer.
    #[error("temporarily_unavailable: {0}")]
    Unavailable(String),
    /// A fault of ours.
    #[error("server_error: {0}")]
    Internal(String),
}

/// Why a grant or token is refused: for the log, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no such user.
    #[error("unknown user")]
    UnknownUser,
    /// The password is wrong.
    #[error("wrong password")]
    WrongPassword,
    /// The password that was asked for again is wrong.
    #[error("wrong current password")]
    WrongCurrentPassword,
    /// The user is disabled.
    #[error("the user is disabled")]
    UserDisabled,
    /// The user was changed while the password was verified.
    #[error("the user was changed during the login")]
    UserChanged,
    /// The second factor is wrong, or was used before.
    #[error("wrong or used code")]
    WrongCode,
    /// The token that a code came with is no good.
    #[error("the mfa_token {0}")]
    MfaToken(&'static str),
    /// There is no token.
    #[error("no token is given")]
    Missing,
    /// Not a token of ours, or one that has expired.
    #[error("not a token of this issuer, or expired")]
    Malformed,
    /// It was issued to another client.
    #[error("the token is another client's")]
    ForeignClient,
    /// Its session does not exist any more.
    #[error("the session is gone")]
    UnknownSession,
    /// It was spent before; its session is closed now.
    #[error("a spent refresh token was shown again")]
    Reused,
    /// It was revoked, or its session is closed.
    #[error("revoked, or the session is closed")]
    Closed,
    /// A deadline passed.
    #[error("the session has expired")]
    Expired,
}

impl OAuthError {
    /// The `error` member.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::NoClient | Self::InvalidClient { .. } => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::MfaRequired { .. } => "mfa_required",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken(_) => "invalid_token",
            Self::AccessDenied(_) => "access_denied",
            Self::WeakPassword(_) => "weak_password",
            Self::NotFound(_) => "not_found",
            Self::Conflict { code, .. } => code,
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unavailable(_) => "temporarily_unavailable",
            Self::Internal(_) => "server_error",
        }
    }

    /// The `error_description` member: the same for causes that a client must not tell apart.
    pub fn description(&self) -> &str {
        match self {
            Self::InvalidRequest(problem) | Self::InvalidScope(problem) => problem,
            Self::NoClient => {
                "no client is named; oauth.default_client names the one that a login may leave out"
            }
            Self::InvalidClient { .. } => "client authentication failed",
            Self::InvalidGrant(
                Reason::UnknownUser | Reason::WrongPassword | Reason::UserDisabled | Reason::UserChanged,
            ) => "the username or password is wrong",
            Self::InvalidGrant(Reason::WrongCurrentPassword) => "the current password is wrong",
            Self::InvalidGrant(Reason::WrongCode) => "the code is wrong, or was used before",
            Self::InvalidGrant(Reason::MfaToken(_)) => {
                "the mfa_token is invalid, expired or another client's: the login begins anew"
            }
            Self::MfaRequired { .. } => "the user has a second factor: show the mfa_token with a code",
            Self::InvalidGrant(_) => "the refresh token is invalid, expired, revoked or already used",
            Self::UnauthorizedClient(problem)
            | Self::AccessDenied(problem)
            | Self::NotFound(problem)
            | Self::Conflict { problem, .. } => problem,
            Self::UnsupportedGrantType => {
                "grant_type must be password, refresh_token, client_credentials or \
                 urn:chancery:params:oauth:grant-type:mfa-otp"
            }
            Self::InvalidTarget => "the resource is not one of the client's audiences",
            Self::InvalidToken(Reason::Missing) => "no bearer token is given",
            Self::InvalidToken(_) => "the access token is invalid, expired or revoked",
            Self::WeakPassword(weakness) => weakness.as_str(),
            Self::TooManyRequests { limit: Limit::NewPassword, .. } => {
                "too many new passwords; try again later"
            }
            Self::TooManyRequests { .. } => "too many wrong attempts; try again later",
            Self::Unavailable(_) => "a needed part is busy or unavailable; try again",
            Self::Internal(_) => "an internal error",
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_)
            | StoreError::Lost(_)
            | StoreError::Contended(_)
            | StoreError::Overloaded => Self::Unavailable(error.to_string()),
            StoreError::Conflict(_) | StoreError::Corrupt(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<KeyError> for OAuthError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            // The stored ring cannot be taken up: nothing is signed until that is mended.
            KeyError::MasterKey(_) | KeyError::Broken { .. } | KeyError::Raced => {
                Self::Unavailable(error.to_string())
            }
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<Denied> for OAuthError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Locked { limit, retry_after } => Self::TooManyRequests { limit, retry_after },
            Denied::Busy => Self::Unavailable(denied.to_string()),
        }
    }
}

impl From<Weakness> for OAuthError {
    fn from(weakness: Weakness) -> Self {
        Self::WeakPassword(weakness)
    }
}

impl From<HashError> for OAuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Unavailable(error.to_string()),
            HashError::Failed(_) => Self::Internal(error.to_string()),
        }
    }
}
