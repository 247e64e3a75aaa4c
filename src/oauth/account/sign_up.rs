//! Signing up: a new account for whoever asks, where that is allowed. It is no login.

use serde::Serialize;

use crate::accounts::password::{Password, PasswordPolicy};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{AccountError, ExtraClaims, email};
use crate::oauth::{Form, Issuer, OAuthError, Requester};

const TAKEN: OAuthError =
    OAuthError::Conflict { code: "username_taken", problem: "there is an account of this name" };

/// An account that was just made.
#[derive(Debug, Serialize)]
pub struct NewAccount {
    sub: String,
    username: String,
}

impl Issuer {
    /// Makes an account with what a page's form holds. Taken names are told: there is no other way to choose one. How many
    /// are asked for is limited, whatever comes of it.
    pub async fn sign_up(&self, form: &Form, from: &Requester) -> Result<NewAccount, OAuthError> {
        if !self.settings.accounts.sign_up {
            return Err(OAuthError::AccessDenied("nobody can sign up here: accounts.sign_up is false"));
        }
        let username = form.require("username")?.to_owned();
        users::key_of(&username).map_err(OAuthError::InvalidRequest)?;
        let email = form.get("email").map(ToOwned::to_owned);
        if !email.as_deref().is_none_or(email::is_address) {
            return Err(OAuthError::InvalidRequest("the email is no address".to_owned()));
        }
        let password = Password::parse(form.require("password")?).map_err(OAuthError::InvalidRequest)?;
        PasswordPolicy::of(&self.settings.accounts).check_length(&password)?;
        let names = std::iter::once(username.clone()).chain(email.clone()).collect();
        let password_hash = self.hash_new(password, names, from).await?;
        let new = NewUser { username, email, password_hash, scopes: None, claims: ExtraClaims::default() };
        let made = users::create(&self.store.unreserved(), new, self.clock.now()).await;
        let user = made.map_err(|error| match error {
            AccountError::Taken(_) => TAKEN,
            AccountError::Store(error) => error.into(),
            other => OAuthError::Internal(other.to_string()),
        })?;
        tracing::info!(
            target: "chancery::audit", event = "signed_up", user = user.id, address = %from.address,
            "somebody has made an account"
        );
        Ok(NewAccount { sub: user.id, username: user.username })
    }

    /// The hash of a new password that is long enough, unless whoever knows the user's names would soon guess it. How many
    /// a network may have judged is limited.
    pub(super) async fn hash_new(
        &self,
        password: Password,
        names: Vec<String>,
        from: &Requester,
    ) -> Result<String, OAuthError> {
        self.lockout.count_new_password(from.address).await?;
        let policy = PasswordPolicy::of(&self.settings.accounts);
        let judge = move |password: &Password| policy.check_strength(password, &names);
        Ok(self.passwords.hash_if(password, judge).await??)
    }
}
