//! The token request, parsed once into a closed enum.

use secrecy::SecretString;

use super::{Form, OAuthError};
use crate::accounts::Grant;

/// What a client asks for, beside the grant's own parameters.
#[derive(Debug)]
pub(super) struct Asked {
    /// As sent; none: the client's default.
    pub scope: Option<String>,
    /// RFC 8707; empty: whatever was granted.
    pub resource: Vec<String>,
}

#[derive(Debug)]
pub(super) struct PasswordRequest {
    pub username: String,
    pub password: SecretString,
    pub asked: Asked,
}

#[derive(Debug)]
pub(super) struct RefreshRequest {
    pub refresh_token: SecretString,
    pub asked: Asked,
}

/// A token request.
#[derive(Debug)]
pub(super) enum TokenRequest {
    Password(PasswordRequest),
    RefreshToken(RefreshRequest),
    ClientCredentials(Asked),
}

impl TokenRequest {
    pub(super) fn parse(form: &Form) -> Result<Self, OAuthError> {
        let asked = Asked {
            scope: form.get("scope").map(ToOwned::to_owned),
            resource: form.all("resource").map(ToOwned::to_owned).collect(),
        };
        Ok(match grant(form)? {
            Grant::Password => Self::Password(PasswordRequest {
                username: form.require("username")?.to_owned(),
                password: form.require("password")?.into(),
                asked,
            }),
            Grant::RefreshToken => Self::RefreshToken(RefreshRequest {
                refresh_token: form.require("refresh_token")?.into(),
                asked,
            }),
            Grant::ClientCredentials => Self::ClientCredentials(asked),
        })
    }
}

/// The grant that is asked for. FastAPI's login form may leave `grant_type` out.
fn grant(form: &Form) -> Result<Grant, OAuthError> {
    match form.get("grant_type") {
        Some(name) => name.parse().map_err(|_| OAuthError::UnsupportedGrantType),
        None if form.get("username").is_some() && form.get("password").is_some() => Ok(Grant::Password),
        None => Err(OAuthError::InvalidRequest("the parameter grant_type is missing".to_owned())),
    }
}
