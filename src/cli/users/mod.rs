//! `chancery users create|list|show|disable|enable|set-password|reset-totp|delete|import|export`

mod export;
mod import;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::input::{PasswordSource, claims, scopes};
use super::{Admin, Failure, output};
use crate::accounts::password::{Hasher, Password, PasswordPolicy};
use crate::accounts::users::{self, NewUser};
use crate::accounts::{ExtraClaims, User, second_factor};

/// Make and manage users.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Make a user. The password is asked for, unless an option says where it is.
    Create(Create),
    /// List all users.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a user, by name or id.
    Show(Named),
    /// Refuse a user from now on; ends the sessions.
    Disable(Named),
    /// Let a disabled user in again.
    Enable(Named),
    /// Set a new password; ends the sessions.
    SetPassword {
        #[command(flatten)]
        user: Named,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Take away the second factor of a user who lost it, with the recovery codes; ends the sessions.
    ResetTotp(Named),
    /// Delete a user with all sessions.
    Delete(Named),
    /// Make users from a file, with the password hashes of another system. Whoever is there already stays as is, so that
    /// an import that was interrupted is run again. Exits with 6 when some lines were refused.
    Import(import::Import),
    /// Write all users as `import` reads them.
    Export(export::Export),
}

/// One user.
#[derive(Debug, Args)]
pub struct Named {
    /// The username, or the id.
    name: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A new user.
#[derive(Debug, Args)]
pub struct Create {
    /// The username; case does not matter.
    name: String,
    /// An email address, shown by /userinfo.
    #[arg(long)]
    email: Option<String>,
    /// What the user may be granted (repeatable); without it, whatever the client may have.
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// Extra claims of the user's access tokens, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims)]
    claims: Option<ExtraClaims>,
    #[command(flatten)]
    password: PasswordSource,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Users {
    /// Whether it makes a database where there is none. What cannot be read makes none.
    pub(super) fn begins(&self) -> Result<bool, Failure> {
        match self {
            Self::Create(_) => Ok(true),
            Self::Import(import) => import.begins(),
            _ => Ok(false),
        }
    }

    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let (store, now) = (&admin.store, admin.clock.now());
        match self {
            Self::Create(create) => create.run(admin).await,
            Self::Import(import) => import.run(admin).await,
            Self::Export(export) => export.run(admin).await,
            Self::List { json } => {
                let users: Vec<_> = users::list(store).await?.iter().map(describe).collect();
                output::list(
                    &users,
                    &["username", "id", "email", "scopes", "disabled", "last_login_at"],
                    json,
                )
            }
            Self::Show(named) => {
                let user = users::find(store, &named.name).await?;
                let mut shown = describe(&user);
                shown["totp"] = second_factor::is_on(store, &user).await?.into();
                output::object(&shown, named.json)
            }
            Self::Disable(named) => {
                users::disable(store, &users::find(store, &named.name).await?, now).await?;
                changed(admin, &named, "disabled, and all sessions are closed").await
            }
            Self::Enable(named) => {
                users::enable(store, &users::find(store, &named.name).await?, now).await?;
                changed(admin, &named, "enabled").await
            }
            Self::SetPassword { user: named, password } => {
                let user = users::find(store, &named.name).await?;
                let password = password.read()?;
                warn_if_weak(admin, &password, &user.username, user.email.as_deref());
                let hash = hash(admin, password).await?;
                users::set_password(store, &user, hash, now).await?;
                changed(admin, &named, "given a new password, and all sessions are closed").await
            }
            Self::ResetTotp(named) => {
                let user = users::find(store, &named.name).await?;
                let was_on = second_factor::reset(store, &user, now).await?;
                eprintln!(
                    "User {} {}.",
                    user.username,
                    if was_on {
                        "logs in without a second factor, and all sessions are closed"
                    } else {
                        "had no second factor: nothing is changed"
                    }
                );
                if named.json { output::json(&json!({ "id": user.id, "reset": was_on })) } else { Ok(()) }
            }
            Self::Delete(named) => {
                let user = users::find(store, &named.name).await?;
                users::delete(store, &user, now).await?;
                eprintln!("User {} is deleted with all sessions.", user.username);
                if named.json { output::json(&json!({ "id": user.id, "deleted": true })) } else { Ok(()) }
            }
        }
    }
}

impl Create {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let password = self.password.read()?;
        warn_if_weak(admin, &password, &self.name, self.email.as_deref());
        let new = NewUser {
            username: self.name,
            email: self.email,
            scopes: scopes(&self.scope)?,
            claims: self.claims.unwrap_or_default(),
            password_hash: hash(admin, password).await?,
        };
        let user = users::create(&admin.store, new, admin.clock.now()).await?;
        eprintln!("User {} is created.", user.username);
        output::object(&describe(&user), self.json)
    }
}

/// An operator may set what users may not choose.
fn warn_if_weak(admin: &Admin, password: &Password, username: &str, email: Option<&str>) {
    let policy = PasswordPolicy::of(&admin.settings.accounts);
    let names: Vec<_> = std::iter::once(username).chain(email).map(ToOwned::to_owned).collect();
    if let Err(weakness) = policy.check(password, &names) {
        eprintln!("Warning: {weakness}.");
    }
}

async fn hash(admin: &Admin, password: Password) -> Result<String, Failure> {
    Ok(Hasher::start(&admin.settings.password)?.hash(password).await?)
}

async fn changed(admin: &Admin, named: &Named, what: &str) -> Result<(), Failure> {
    let user = users::find(&admin.store, &named.name).await?;
    eprintln!("User {} is {what}.", user.username);
    if named.json { output::json(&describe(&user)) } else { Ok(()) }
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "scopes": user.scopes.as_ref().map(ToString::to_string),
        "claims": user.claims.as_map(),
        "disabled": user.disabled,
        "created_at": output::time(user.created_at),
        "last_login_at": user.last_login_at.map(output::time),
    })
}
