//! Whether the clients that there are fit the settings. Asked by `config check` and when a server starts.

use std::time::Duration;

use super::clients::{find, list};
use super::{AccountError, Client, Grant};
use crate::config::{Settings, variable_of};
use crate::store::Store;

/// Clients that were set up with an access-token lifetime that the settings do not allow any more: their tokens are cut.
pub async fn with_longer_tokens(store: &Store, longest: Duration) -> Result<Vec<Client>, AccountError> {
    let mut clients = list(store).await?;
    clients.retain(|client| client.access_token_lifetime.is_some_and(|lifetime| lifetime > longest));
    Ok(clients)
}

/// What is wrong with the clients that the settings name for logins.
pub async fn unfit_named(store: &Store, settings: &Settings) -> Result<Vec<String>, AccountError> {
    let named = [
        ("browser.client", &settings.browser.client, &[Grant::Password, Grant::RefreshToken][..]),
        ("oauth.default_client", &settings.oauth.default_client, &[Grant::Password]),
    ];
    let mut faults = Vec::new();
    for (key, id, grants) in named {
        let Some(id) = id else { continue };
        let found = match find(store, id).await {
            Err(AccountError::NotFound(_)) => None,
            found => Some(found?),
        };
        let is_fit =
            |client: &Client| client.is_public() && grants.iter().all(|one| client.grants.contains(one));
        if !found.is_some_and(|client| is_fit(&client)) {
            let grants = grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>().join(" and ");
            let (variable, id) = (variable_of(key), id.escape_debug());
            faults
                .push(format!("{key} ({variable}): there is no public client {id} with the grants {grants}"));
        }
    }
    Ok(faults)
}
