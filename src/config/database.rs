//! Section `database`.

use secrecy::{ExposeSecret, SecretString};

use super::reader::Reader;

/// Where state lives.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    url: SecretString,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let url = reader.secret("database.url").unwrap_or_default();
        let scheme = url.expose_secret().split_once("://").map(|(scheme, _)| scheme);
        if !matches!(scheme, Some("sqlite" | "postgres" | "postgresql")) {
            reader.fault("database.url", "must start with sqlite:// or postgres://".to_owned());
        }
        Self { url }
    }

    /// The URL, which may hold a password.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}
