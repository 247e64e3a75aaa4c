//! Clients: which app asks. Whatever ends a client's access closes its sessions in the same transaction.

use std::time::Duration;

use secrecy::SecretString;

use super::secret::{self, SecretHash};
use super::{AccountError, ExtraClaims, Grant, Scopes, corrupt};
use crate::clock::Timestamp;
use crate::config::{MAX_ACCESS_TOKEN_LIFETIME, MAX_REUSE_LEEWAY, MAX_SESSION_LIFETIME, TokenType};
use crate::store::clients::ClientRow;
use crate::store::sessions::Selection;
use crate::store::{Store, StoreError, clients as table, sessions};

/// An app that asks for tokens. What is none falls back to the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `client_id`.
    pub id: String,
    /// A confidential client's secret; none: a public client.
    pub secret: Option<SecretHash>,
    /// What it may use.
    pub grants: Vec<Grant>,
    /// What it may ask for.
    pub scopes: Scopes,
    /// What it gets when it asks for nothing in particular; none: all of `scopes`.
    pub default_scopes: Option<Scopes>,
    /// Audiences that it may ask for, and gets when it asks for none; none: the setting.
    pub audience: Option<Vec<String>>,
    /// The `typ` of its access tokens.
    pub token_type: Option<TokenType>,
    /// Lifetime of its access tokens.
    pub access_token_lifetime: Option<Duration>,
    /// Lifetime of an unused refresh token.
    pub refresh_idle_lifetime: Option<Duration>,
    /// Lifetime of a session.
    pub refresh_absolute_lifetime: Option<Duration>,
    /// How long a spent refresh token yields its successor again.
    pub refresh_reuse_leeway: Option<Duration>,
    /// Whether a refresh token works only once.
    pub refresh_rotation: bool,
    /// Extra claims of its access tokens.
    pub claims: ExtraClaims,
    /// Refused everywhere while true.
    pub disabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Client {
    /// A public client that may do nothing yet.
    pub fn new(id: String, now: Timestamp) -> Self {
        Self {
            id,
            secret: None,
            grants: Vec::new(),
            scopes: Scopes::default(),
            default_scopes: None,
            audience: None,
            token_type: None,
            access_token_lifetime: None,
            refresh_idle_lifetime: None,
            refresh_absolute_lifetime: None,
            refresh_reuse_leeway: None,
            refresh_rotation: true,
            claims: ExtraClaims::default(),
            disabled: false,
            created_at: now,
        }
    }

    /// Whether it has no secret.
    pub fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    /// What it gets when it asks for nothing in particular.
    pub fn default_scopes(&self) -> &Scopes {
        self.default_scopes.as_ref().unwrap_or(&self.scopes)
    }

    /// Says what contradicts itself. `longest_token` is how long an access token may live by the keys' settings.
    pub fn check(&self, longest_token: Duration) -> Result<(), AccountError> {
        let id_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let lifetime = self.access_token_lifetime.unwrap_or_default();
        let rules = [
            (
                (1..=128).contains(&self.id.len()) && self.id.bytes().all(id_fits),
                "a client id has 1 to 128 letters, digits and -._~".to_owned(),
            ),
            (!self.grants.is_empty(), "a client needs at least one grant".to_owned()),
            (
                !(self.is_public() && self.grants.contains(&Grant::ClientCredentials)),
                "client_credentials is for confidential clients only (RFC 6749 section 4.4)".to_owned(),
            ),
            (
                !self.is_public() || self.refresh_rotation,
                "a public client's refresh tokens must rotate (RFC 9700 section 4.14.2)".to_owned(),
            ),
            (
                self.default_scopes().is_subset(&self.scopes),
                "the default scopes must be among the scopes".to_owned(),
            ),
            (
                self.audience
                    .as_ref()
                    .is_none_or(|list| !list.is_empty() && list.iter().all(|one| fits_list(one))),
                "an audience must be a text without white space".to_owned(),
            ),
            (
                lifetime <= MAX_ACCESS_TOKEN_LIFETIME.min(longest_token),
                format!(
                    "the access token lifetime must be at most {}, so that no token outlives its key (keys.retention)",
                    humantime::format_duration(MAX_ACCESS_TOKEN_LIFETIME.min(longest_token))
                ),
            ),
            (
                [self.refresh_idle_lifetime, self.refresh_absolute_lifetime]
                    .iter()
                    .flatten()
                    .all(|lifetime| *lifetime <= MAX_SESSION_LIFETIME),
                format!("a session lasts at most {}", humantime::format_duration(MAX_SESSION_LIFETIME)),
            ),
            (
                self.refresh_reuse_leeway.unwrap_or_default() <= MAX_REUSE_LEEWAY,
                format!("the reuse leeway must be at most {}", humantime::format_duration(MAX_REUSE_LEEWAY)),
            ),
            (
                [self.access_token_lifetime, self.refresh_idle_lifetime, self.refresh_absolute_lifetime]
                    .iter()
                    .flatten()
                    .all(|lifetime| lifetime.as_secs() >= 1),
                "a lifetime must be at least a second".to_owned(),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(AccountError::Invalid(rule)),
            None => Ok(()),
        }
    }

    /// Reads a row.
    pub fn from_row(row: &ClientRow) -> Result<Self, StoreError> {
        let wrong = |problem: String| corrupt(&format!("client {}", row.id), problem);
        let secret = row.secret_hash.as_deref().map(|bytes| {
            SecretHash::from_bytes(bytes).ok_or_else(|| wrong("its secret's hash is no SHA-256".to_owned()))
        });
        Ok(Self {
            id: row.id.clone(),
            secret: secret.transpose()?,
            grants: row.grants.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(wrong)?,
            scopes: Scopes::parse(&row.scopes).map_err(wrong)?,
            default_scopes: row.default_scopes.as_deref().map(Scopes::parse).transpose().map_err(wrong)?,
            audience: row.audience.as_deref().map(split),
            token_type: row.token_type.as_deref().map(str::parse).transpose().map_err(wrong)?,
            access_token_lifetime: row.access_token_lifetime.map(seconds),
            refresh_idle_lifetime: row.refresh_idle_lifetime.map(seconds),
            refresh_absolute_lifetime: row.refresh_absolute_lifetime.map(seconds),
            refresh_reuse_leeway: row.refresh_reuse_leeway.map(seconds),
            refresh_rotation: row.refresh_rotation,
            claims: ExtraClaims::parse(&row.claims).map_err(wrong)?,
            disabled: row.disabled,
            created_at: Timestamp::from_unix(row.created_at),
        })
    }

    fn to_row(&self, now: Timestamp) -> ClientRow {
        ClientRow {
            id: self.id.clone(),
            secret_hash: self.secret.as_ref().map(|hash| hash.as_bytes().to_vec()),
            grants: self.grants.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            scopes: self.scopes.to_string(),
            default_scopes: self.default_scopes.as_ref().map(ToString::to_string),
            audience: self.audience.as_ref().map(|list| list.join(" ")),
            token_type: self.token_type.map(|typ| typ.as_str().to_owned()),
            access_token_lifetime: self.access_token_lifetime.map(whole_seconds),
            refresh_idle_lifetime: self.refresh_idle_lifetime.map(whole_seconds),
            refresh_absolute_lifetime: self.refresh_absolute_lifetime.map(whole_seconds),
            refresh_reuse_leeway: self.refresh_reuse_leeway.map(whole_seconds),
            refresh_rotation: self.refresh_rotation,
            claims: self.claims.to_string(),
            disabled: self.disabled,
            created_at: self.created_at.as_unix(),
            updated_at: now.as_unix(),
        }
    }
}

/// Stores a new client.
pub async fn create(store: &Store, client: &Client, now: Timestamp) -> Result<(), AccountError> {
    let row = client.to_row(now);
    store.write(move |conn| table::insert(conn, &row)).await.map_err(|error| match error {
        StoreError::Conflict(_) => AccountError::Taken(format!("client {}", client.id)),
        other => other.into(),
    })
}

/// All clients, by id.
pub async fn list(store: &Store) -> Result<Vec<Client>, AccountError> {
    let rows = store.read(table::list).await?;
    Ok(rows.iter().map(Client::from_row).collect::<Result<_, _>>()?)
}

/// The client with this id.
pub async fn find(store: &Store, id: &str) -> Result<Client, AccountError> {
    let key = id.to_owned();
    let row = store.read(move |conn| table::find(conn, &key)).await?;
    Ok(Client::from_row(&row.ok_or_else(|| not_found(id))?)?)
}

/// Changes a client in one transaction; `alter` sees it as it is then. A client that ends up disabled has its sessions
/// closed.
pub async fn alter<F>(store: &Store, id: &str, now: Timestamp, alter: F) -> Result<Client, AccountError>
where
    F: FnOnce(&mut Client) -> Result<(), AccountError> + Clone + Send + 'static,
{
    let key = id.to_owned();
    let changed = store
        .write(move |conn| {
            let Some(row) = table::find_to_change(conn, &key)? else { return Ok(None) };
            let mut client = Client::from_row(&row)?;
            if let Err(refusal) = alter(&mut client) {
                return Ok(Some(Err(refusal)));
            }
            table::update(conn, &client.to_row(now))?;
            if client.disabled {
                sessions::close_all(conn, &Selection::Client(key), "client_disabled", now.as_unix())?;
            }
            Ok(Some(Ok(client)))
        })
        .await?;
    changed.ok_or_else(|| not_found(id))?
}

/// Gives a confidential client a new secret; the old one is refused from then on.
pub async fn rotate_secret(store: &Store, id: &str, now: Timestamp) -> Result<SecretString, AccountError> {
    let secret = secret::generate_secret();
    let hash = SecretHash::of(&secret);
    alter(store, id, now, move |client| {
        if client.is_public() {
            return Err(AccountError::Invalid("a public client has no secret".to_owned()));
        }
        client.secret = Some(hash);
        Ok(())
    })
    .await?;
    Ok(secret)
}

/// Deletes a client; its sessions go with the row.
pub async fn delete(store: &Store, id: &str) -> Result<(), AccountError> {
    let key = id.to_owned();
    if store.write(move |conn| table::delete(conn, &key)).await? { Ok(()) } else { Err(not_found(id)) }
}

fn not_found(id: &str) -> AccountError {
    AccountError::NotFound(format!("client {}", id.escape_debug()))
}

fn fits_list(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

fn split(list: &str) -> Vec<String> {
    list.split(' ').map(ToOwned::to_owned).collect()
}

fn seconds(number: i64) -> Duration {
    Duration::from_secs(u64::try_from(number).unwrap_or(0))
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
