//! Section `database`.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::reader::Reader;

/// Where state lives.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    url: SecretString,
    /// Connections that this process opens to PostgreSQL at the most.
    pub max_connections: u32,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let url = reader.secret("database.url").unwrap_or_default();
        let scheme = url.expose_secret().split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("sqlite") => {}
            Some("postgres" | "postgresql") if Url::parse(url.expose_secret()).is_ok() => {}
            Some("postgres" | "postgresql") => {
                let problem = "must be a URL: percent-encode what is special in the user's name and password";
                reader.fault("database.url", problem.to_owned());
            }
            _ => reader.fault("database.url", "must start with sqlite:// or postgres://".to_owned()),
        }
        let max_connections = reader.number("database.max_connections", 2, 1000).unwrap_or(2);
        Self { url, max_connections }
    }

    /// The URL, which may hold a password.
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}
