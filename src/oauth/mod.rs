//! The protocol: from a parsed form to a token, an RFC 6749 error, or an answer about a token. Called by `http`, which
//! adds nothing but HTTP. The pipeline of a token request is [`Issuer::exchange`].

mod account;
mod browser;
mod client_auth;
mod client_credentials_grant;
mod error;
mod form;
mod introspect;
mod issue;
mod logged_in;
mod login;
mod mfa_otp_grant;
mod password_grant;
mod refresh_token_grant;
mod request;
mod revoke;
mod rules;
mod second_factor;
mod shown;
mod totp;
mod userinfo;

use std::net::IpAddr;
use std::sync::Arc;

pub use account::{AccountInfo, NewAccount, OwnSession};
pub use browser::{SessionInfo, SignedIn};
pub use error::{OAuthError, Reason};
pub use form::Form;
pub use issue::TokenResponse;
pub use logged_in::LoggedIn;
use request::TokenRequest;
use secrecy::ExposeSecret;
use shown::Shown;
pub use totp::{RecoveryCodes, TotpStatus};

use crate::accounts::Grant;
use crate::accounts::lockout::Lockout;
use crate::accounts::password::Hasher;
use crate::clock::Clock;
use crate::config::Settings;
use crate::keys::Keys;
use crate::store::Store;

/// A request to one of the endpoints, as far as the protocol is concerned.
pub struct Request {
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The form in the body.
    pub form: Form,
    /// Who sent it.
    pub from: Requester,
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The client's address.
    pub address: IpAddr,
    /// What the software at it calls itself, for people to recognise a login by.
    pub user_agent: Option<String>,
    /// Where it came in.
    pub door: Door,
}

/// Who asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A client, at `/token`.
    Clients,
    /// A page whose browser keeps the refresh token.
    Browser,
}

/// Issues, revokes and tells about tokens. Clones share everything.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The issuer identifier.
    pub url: Arc<str>,
    /// What is set.
    pub settings: Arc<Settings>,
    /// The time.
    pub clock: Clock,
    /// The database.
    pub store: Store,
    /// The signing keys.
    pub keys: Keys,
    /// The hashing threads.
    pub passwords: Hasher,
    /// The count of wrong guesses.
    pub lockout: Lockout,
}

/// The values of `grant_type` that the token endpoint knows.
pub fn grant_types() -> Vec<&'static str> {
    Grant::ALL.into_iter().map(Grant::as_str).chain([mfa_otp_grant::GRANT_TYPE]).collect()
}

impl Issuer {
    /// `POST /token`: whatever the grant, the same steps. Checks come before anything is spent.
    pub async fn exchange(&self, request: &Request) -> Result<TokenResponse, OAuthError> {
        let asked = TokenRequest::parse(&request.form);
        let shown = match &asked {
            Ok(TokenRequest::RefreshToken(asked)) => {
                Shown::read_hot(self, asked.refresh_token.expose_secret()).await?
            }
            _ => None,
        };
        // Only who shows a token of ours is let in before the others.
        let store = if shown.is_some() { &self.store } else { &self.store.unreserved() };
        let client = client_auth::authenticate(self, store, request, shown.as_ref()).await?;
        match asked? {
            TokenRequest::Password(asked) => {
                password_grant::run(self, store, &client, asked, &request.from).await
            }
            TokenRequest::MfaOtp(asked) => {
                mfa_otp_grant::run(self, store, &client, asked, &request.from).await
            }
            TokenRequest::RefreshToken(asked) => {
                refresh_token_grant::run(self, &client, shown, &asked.asked, request.from.door).await
            }
            TokenRequest::ClientCredentials(asked) => {
                client_credentials_grant::run(self, &client, asked).await
            }
        }
    }
}
