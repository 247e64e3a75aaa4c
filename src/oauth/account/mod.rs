//! What people see and change of their own account, in a browser that they are logged in with.

mod sessions;
mod sign_up;

use serde::Serialize;
pub use sessions::OwnSession;
pub use sign_up::NewAccount;

use super::logged_in::if_held;
use super::{Form, Issuer, LoggedIn, OAuthError, Requester};
use crate::accounts::password::{Password, PasswordPolicy};
use crate::accounts::{second_factor, self_service};

/// What the user may know of the account.
#[derive(Debug, Serialize)]
pub struct AccountInfo {
    sub: String,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// In Unix seconds.
    created_at: i64,
    /// Whether logins need a code.
    totp: bool,
}

impl Issuer {
    /// The account of whoever is logged in.
    pub async fn account_info(&self, login: LoggedIn) -> Result<AccountInfo, OAuthError> {
        let LoggedIn { user, .. } = login;
        Ok(AccountInfo {
            totp: second_factor::is_on(&self.store.unreserved(), &user).await?,
            sub: user.id,
            username: user.username,
            email: user.email,
            created_at: user.created_at.as_unix(),
        })
    }

    /// Sets a new password and closes the user's other sessions.
    pub async fn change_password(
        &self,
        login: &LoggedIn,
        form: &Form,
        from: &Requester,
    ) -> Result<(), OAuthError> {
        let current = form.require("current_password")?;
        let new = Password::parse(form.require("new_password")?).map_err(OAuthError::InvalidRequest)?;
        PasswordPolicy::of(&self.settings.accounts).check_length(&new)?;
        let confirmation = self.confirm_password(login, current).await?;
        let names = std::iter::once(login.user.username.clone()).chain(login.user.email.clone()).collect();
        let hash = self.hash_new(new, names, from).await?;
        let store = self.store.unreserved();
        if_held(self_service::change_password(&store, confirmation, hash, self.clock.now()).await?)?;
        tracing::info!(
            target: "chancery::audit", event = "password_changed", session = %login.session.id,
            user = login.user.id, "the user has a new password: the other sessions are closed"
        );
        Ok(())
    }

    /// Deletes the user with all sessions.
    pub async fn delete_account(&self, login: &LoggedIn, form: &Form) -> Result<(), OAuthError> {
        let confirmation = self.confirm_password(login, form.require("password")?).await?;
        let store = self.store.unreserved();
        if_held(self_service::delete(&store, confirmation, self.clock.now()).await?)?;
        tracing::info!(
            target: "chancery::audit", event = "account_deleted", user = login.user.id,
            "the user has deleted the account: it is gone with all its sessions"
        );
        Ok(())
    }
}
