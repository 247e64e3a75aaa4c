//! `chancery clients create|list|show|set|rotate-secret|disable|enable|delete`

use clap::{ArgGroup, Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::input::{Lifetime, Own, claims, scopes};
use super::{Admin, Failure, output};
use crate::accounts::clients::{self, Client};
use crate::accounts::secret::{SecretHash, generate_id, generate_secret};
use crate::accounts::{AccountError, ExtraClaims, Grant};
use crate::config::TokenType;

/// Make and manage clients.
#[derive(Debug, Subcommand)]
pub enum Clients {
    /// Make a client. A confidential one's secret is shown once, now.
    Create(Create),
    /// List all clients.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show a client.
    Show(Named),
    /// Change a client; what is not given stays.
    Set(Set),
    /// Give a confidential client a new secret, shown once, now. The old one is refused at once.
    RotateSecret(Named),
    /// Refuse a client from now on; ends its sessions.
    Disable(Named),
    /// Let a disabled client in again.
    Enable(Named),
    /// Delete a client with its sessions.
    Delete(Named),
}

/// One client.
#[derive(Debug, Args)]
pub struct Named {
    /// The client id.
    id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A new client.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("kind").required(true).args(["public", "confidential"])))]
pub struct Create {
    /// The client id; generated if not given.
    #[arg(long)]
    id: Option<String>,
    /// Cannot keep a secret: browsers, mobile and desktop apps.
    #[arg(long)]
    public: bool,
    /// Has a secret: servers.
    #[arg(long)]
    confidential: bool,
    #[command(flatten)]
    change: Change,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Changes to a client.
#[derive(Debug, Args)]
pub struct Set {
    /// The client id.
    id: String,
    #[command(flatten)]
    change: Change,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What can be set; where `default` is accepted it means the setting's value.
#[derive(Clone, Debug, Args)]
struct Change {
    /// How it may get tokens: password, refresh_token or client_credentials (repeatable).
    #[arg(long, value_name = "GRANT")]
    grant: Vec<Grant>,
    /// What it may ask for: "a b", or repeated.
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,
    /// What it gets when it asks for nothing in particular; `default` means all of its scopes.
    #[arg(long, value_name = "SCOPES")]
    default_scope: Vec<String>,
    /// Audience it may ask for, and gets when it asks for none (repeatable); `default` means tokens.audience.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Vec<String>,
    /// The `typ` of its access tokens: at+jwt, JWT or `default`.
    #[arg(long, value_name = "TYPE")]
    token_type: Option<Own<TokenType>>,
    /// Lifetime of its access tokens, or `default`.
    #[arg(long, value_name = "DURATION")]
    access_token_lifetime: Option<Own<Lifetime>>,
    /// How long its refresh tokens live unused, or `default`.
    #[arg(long, value_name = "DURATION")]
    refresh_idle_lifetime: Option<Own<Lifetime>>,
    /// How long its sessions live, or `default`.
    #[arg(long, value_name = "DURATION")]
    refresh_absolute_lifetime: Option<Own<Lifetime>>,
    /// How long a spent refresh token yields its successor again, or `default`.
    #[arg(long, value_name = "DURATION")]
    refresh_reuse_leeway: Option<Own<Lifetime>>,
    /// Whether a refresh token works only once; false is for confidential clients alone.
    #[arg(long, value_name = "BOOL")]
    refresh_rotation: Option<bool>,
    /// Extra claims of its access tokens, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = claims)]
    claims: Option<ExtraClaims>,
}

impl Clients {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        match self {
            Self::Create(create) => create.run(admin).await,
            Self::List { json } => {
                let clients: Vec<_> = clients::list(&admin.store).await?.iter().map(describe).collect();
                output::list(
                    &clients,
                    &["client_id", "type", "grants", "scopes", "audience", "disabled"],
                    json,
                )
            }
            Self::Show(named) => {
                output::object(&describe(&clients::find(&admin.store, &named.id).await?), named.json)
            }
            Self::Set(set) => set.run(admin).await,
            Self::RotateSecret(named) => {
                let secret = clients::rotate_secret(&admin.store, &named.id, admin.clock.now()).await?;
                let client = clients::find(&admin.store, &named.id).await?;
                eprintln!(
                    "The old secret is refused from now on. This is the only time that the new one is shown."
                );
                output::object(&with_secret(describe(&client), Some(&secret)), named.json)
            }
            Self::Disable(named) => set_disabled(admin, named, true).await,
            Self::Enable(named) => set_disabled(admin, named, false).await,
            Self::Delete(named) => {
                clients::delete(&admin.store, &named.id).await?;
                eprintln!("Client {} is deleted with its sessions.", named.id);
                if named.json {
                    output::json(&json!({ "client_id": named.id, "deleted": true }))
                } else {
                    Ok(())
                }
            }
        }
    }
}

impl Create {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let now = admin.clock.now();
        let mut client = Client::new(self.id.unwrap_or_else(generate_id), now);
        let secret = self.confidential.then(generate_secret);
        client.secret = secret.as_ref().map(SecretHash::of);
        self.change.apply(&mut client)?;
        client.check(admin.settings.keys.longest_token())?;
        clients::create(&admin.store, &client, now).await?;
        eprintln!("Client {} is created.", client.id);
        if secret.is_some() {
            eprintln!("This is the only time that its secret is shown.");
        }
        output::object(&with_secret(describe(&client), secret.as_ref()), self.json)
    }
}

impl Set {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let (change, longest_token) = (self.change, admin.settings.keys.longest_token());
        let alter = move |client: &mut Client| {
            change.apply(client)?;
            client.check(longest_token)
        };
        let client = clients::alter(&admin.store, &self.id, admin.clock.now(), alter).await?;
        eprintln!("Client {} is changed.", client.id);
        output::object(&describe(&client), self.json)
    }
}

impl Change {
    fn apply(&self, client: &mut Client) -> Result<(), AccountError> {
        let parse =
            |given: &[String]| scopes(given).map_err(|failure| AccountError::Invalid(failure.to_string()));
        if !self.grant.is_empty() {
            client.grants = Grant::ALL.into_iter().filter(|grant| self.grant.contains(grant)).collect();
        }
        if let Some(scopes) = parse(&self.scope)? {
            client.scopes = scopes;
        }
        if !self.default_scope.is_empty() {
            let own = self.default_scope != ["default"];
            client.default_scopes = if own { parse(&self.default_scope)? } else { None };
        }
        if !self.audience.is_empty() {
            client.audience = (self.audience != ["default"]).then(|| self.audience.clone());
        }
        let lifetime = |own: &Own<Lifetime>| own.0.map(|lifetime| lifetime.0);
        set(&mut client.token_type, self.token_type.as_ref().map(|own| own.0));
        set(&mut client.access_token_lifetime, self.access_token_lifetime.as_ref().map(lifetime));
        set(&mut client.refresh_idle_lifetime, self.refresh_idle_lifetime.as_ref().map(lifetime));
        set(&mut client.refresh_absolute_lifetime, self.refresh_absolute_lifetime.as_ref().map(lifetime));
        set(&mut client.refresh_reuse_leeway, self.refresh_reuse_leeway.as_ref().map(lifetime));
        set(&mut client.refresh_rotation, self.refresh_rotation);
        set(&mut client.claims, self.claims.clone());
        Ok(())
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

async fn set_disabled(admin: &Admin, named: Named, disabled: bool) -> Result<(), Failure> {
    let alter = move |client: &mut Client| {
        client.disabled = disabled;
        Ok(())
    };
    let client = clients::alter(&admin.store, &named.id, admin.clock.now(), alter).await?;
    let what = if disabled { "disabled, and its sessions are closed" } else { "enabled" };
    eprintln!("Client {} is {what}.", client.id);
    if named.json { output::json(&describe(&client)) } else { Ok(()) }
}

fn describe(client: &Client) -> Value {
    let duration =
        |duration: Option<std::time::Duration>| duration.map(|d| humantime::format_duration(d).to_string());
    json!({
        "client_id": client.id,
        "type": if client.is_public() { "public" } else { "confidential" },
        "grants": client.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "scopes": client.scopes.to_string(),
        "default_scopes": client.default_scopes.as_ref().map(ToString::to_string),
        "audience": client.audience,
        "token_type": client.token_type.map(TokenType::as_str),
        "access_token_lifetime": duration(client.access_token_lifetime),
        "refresh_idle_lifetime": duration(client.refresh_idle_lifetime),
        "refresh_absolute_lifetime": duration(client.refresh_absolute_lifetime),
        "refresh_reuse_leeway": duration(client.refresh_reuse_leeway),
        "refresh_rotation": client.refresh_rotation,
        "claims": client.claims.as_map(),
        "disabled": client.disabled,
        "created_at": output::time(client.created_at),
    })
}

fn with_secret(mut description: Value, secret: Option<&SecretString>) -> Value {
    if let Some(secret) = secret {
        description["client_secret"] = secret.expose_secret().into();
    }
    description
}
