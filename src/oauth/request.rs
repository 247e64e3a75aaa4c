//! The token request, parsed once into a closed enum.

use secrecy::SecretString;

use super::{Form, OAuthError, mfa_otp_grant};
use crate::accounts::Grant;

/// What a client asks for, beside the grant's own parameters.
#[derive(Clone, Debug)]
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
    pub code: Option<Code>,
    pub asked: Asked,
}

/// What is shown as the second factor.
#[derive(Debug)]
pub(super) enum Code {
    /// An app's.
    Otp(SecretString),
    /// For the day the app is lost.
    Recovery(SecretString),
}

#[derive(Debug)]
pub(super) struct MfaOtpRequest {
    pub mfa_token: SecretString,
    pub code: Code,
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
    MfaOtp(MfaOtpRequest),
    RefreshToken(RefreshRequest),
    ClientCredentials(Asked),
}

impl TokenRequest {
    pub(super) fn parse(form: &Form) -> Result<Self, OAuthError> {
        if form.get("grant_type") == Some(mfa_otp_grant::GRANT_TYPE) {
            let mfa_token = form.require("mfa_token")?.into();
            return Ok(Self::MfaOtp(MfaOtpRequest { mfa_token, code: Code::require(form)? }));
        }
        let asked = Asked {
            scope: form.get("scope").map(ToOwned::to_owned),
            resource: form.all("resource").map(ToOwned::to_owned).collect(),
        };
        Ok(match grant(form)? {
            Grant::Password => Self::Password(PasswordRequest {
                username: form.require("username")?.to_owned(),
                password: form.require("password")?.into(),
                code: Code::parse(form)?,
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

impl Code {
    pub(super) fn parse(form: &Form) -> Result<Option<Self>, OAuthError> {
        match (form.get("otp"), form.get("recovery_code")) {
            (None, None) => Ok(None),
            (Some(otp), None) => Ok(Some(Self::Otp(otp.into()))),
            (None, Some(code)) => Ok(Some(Self::Recovery(code.into()))),
            (Some(_), Some(_)) => Err(invalid("otp and recovery_code are given at once")),
        }
    }

    pub(super) fn require(form: &Form) -> Result<Self, OAuthError> {
        Self::parse(form)?.ok_or_else(|| invalid("the parameter otp or recovery_code is missing"))
    }
}

fn invalid(problem: &str) -> OAuthError {
    OAuthError::InvalidRequest(problem.to_owned())
}

/// The grant that is asked for. FastAPI's login form may leave `grant_type` out.
fn grant(form: &Form) -> Result<Grant, OAuthError> {
    match form.get("grant_type") {
        Some(name) => name.parse().map_err(|_| OAuthError::UnsupportedGrantType),
        None if form.get("username").is_some() && form.get("password").is_some() => Ok(Grant::Password),
        None => Err(invalid("the parameter grant_type is missing")),
    }
}
