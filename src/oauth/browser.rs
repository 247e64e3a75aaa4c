//! People in browsers: logins through the configured first-party client, whose refresh token lives in a cookie. The
//! same exchange as `/token`, entered by another door.

use secrecy::ExposeSecret;
use serde::Serialize;

use super::issue::RefreshGrant;
use super::mfa_otp_grant;
use super::{Form, Issuer, LoggedIn, OAuthError, Request, Requester, TokenResponse};
use crate::tokens::{csrf, session};

/// What a page may say at a login. The rest of the request is ours.
const ASKED: [&str; 7] = ["username", "password", "scope", "resource", "mfa_token", "otp", "recovery_code"];

/// An answer for a page, and what goes into cookies.
pub struct SignedIn {
    /// For the body.
    pub response: TokenResponse,
    /// For the cookie.
    pub refresh: RefreshGrant,
    /// For the body, and from there into `X-CSRF-Token`.
    pub csrf_token: String,
}

/// What a page may know of the session behind its cookie.
#[derive(Debug, Serialize)]
pub struct SessionInfo {
    sub: String,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    sid: String,
    scope: String,
    amr: Vec<String>,
    /// When the user authenticated, in Unix seconds.
    auth_time: i64,
    /// When the session lapses unless it is refreshed, in Unix seconds.
    expires_at: i64,
    csrf_token: String,
}

impl Issuer {
    /// Opens a session with what a page's login form holds: a password, or the code that follows it.
    pub async fn sign_in(&self, form: &Form, from: Requester) -> Result<SignedIn, OAuthError> {
        let asked = ASKED.iter().flat_map(|name| form.all(name).map(|value| (*name, value.to_owned())));
        let is_second_step = form.get("mfa_token").is_some();
        let grant_type = if is_second_step { mfa_otp_grant::GRANT_TYPE } else { "password" };
        self.exchange_in_browser(grant_type, asked.collect(), from).await
    }

    /// Exchanges the refresh token of a cookie, for a page that shows the session's CSRF token.
    pub async fn renew(
        &self,
        token: &str,
        csrf_token: Option<&str>,
        from: Requester,
    ) -> Result<SignedIn, OAuthError> {
        self.check_csrf(token, csrf_token).await?;
        self.exchange_in_browser("refresh_token", vec![("refresh_token", token.to_owned())], from).await
    }

    /// Ends the session of a cookie, for a page that shows its CSRF token.
    pub async fn sign_out(&self, token: &str, csrf_token: Option<&str>) -> Result<(), OAuthError> {
        let session = self.check_csrf(token, csrf_token).await?;
        session::close(&self.store, session, "logout", self.clock.now()).await?;
        Ok(())
    }

    /// Tells a page about its login.
    pub async fn session_info(&self, login: LoggedIn) -> Result<SessionInfo, OAuthError> {
        let LoggedIn { session, user } = login;
        Ok(SessionInfo {
            csrf_token: csrf::encode(session.id, self.keys.current().await?.mac())?,
            sub: user.id,
            username: user.username,
            email: user.email,
            sid: session.id.to_string(),
            scope: session.scope,
            amr: session.amr.split(' ').map(ToOwned::to_owned).collect(),
            auth_time: session.created_at.as_unix(),
            expires_at: session.expires_at.as_unix(),
        })
    }

    /// The CSRF token for the session of a cookie.
    pub async fn csrf_token(&self, token: &str) -> Result<String, OAuthError> {
        let session = self.session_of(token).await?;
        Ok(csrf::encode(session, self.keys.current().await?.mac())?)
    }

    async fn exchange_in_browser(
        &self,
        grant_type: &str,
        mut parameters: Vec<(&str, String)>,
        from: Requester,
    ) -> Result<SignedIn, OAuthError> {
        let client = self.browser_client()?.to_owned();
        parameters.extend([("grant_type", grant_type.to_owned()), ("client_id", client)]);
        let form = Form::of(parameters);
        let request = Request { authorization: None, form, from };
        let mut response = self.exchange(&request).await?;
        let no_refreshes =
            OAuthError::UnauthorizedClient("browser.client may not use the refresh_token grant");
        let refresh = response.take_refresh_token().ok_or(no_refreshes)?;
        let csrf_token = self.csrf_token(refresh.token.expose_secret()).await?;
        Ok(SignedIn { response, refresh, csrf_token })
    }

    pub(super) fn browser_client(&self) -> Result<&str, OAuthError> {
        let client = self.settings.browser.client.as_deref();
        client.ok_or_else(|| OAuthError::Internal("browser.client is not set".to_owned()))
    }
}
