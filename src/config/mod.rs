//! Typed settings from four layers: built-in defaults (`docs/chancery.toml`, compiled in), a file, the environment,
//! and command line flags. A leaf: it knows nothing of the rest. Every fault is reported at once.

mod accounts;
mod browser;
mod database;
mod issuer;
mod jwks;
mod keys;
mod limits;
mod log;
mod metrics;
mod oauth;
mod password;
mod reader;
mod redis;
mod server;
mod tokens;
mod totp;

use std::path::{Path, PathBuf};

pub use accounts::AccountSettings;
pub use browser::{BrowserSettings, SameSite};
pub use database::DatabaseSettings;
pub use issuer::IssuerSettings;
pub use jwks::JwksSettings;
pub use keys::{Algorithm, KeySettings};
pub use limits::LimitSettings;
pub use log::{LogFormat, LogSettings};
pub use metrics::MetricsSettings;
pub use oauth::OAuthSettings;
pub use password::PasswordSettings;
use reader::Reader;
pub use reader::{Effective, Fault, variable_of};
pub use redis::{RedisAddress, RedisSettings, Topology};
pub use server::{ForwardedHeader, ServerSettings};
pub use tokens::{
    MAX_ACCESS_TOKEN_LIFETIME, MAX_REUSE_LEEWAY, MAX_SESSION_LIFETIME, TokenSettings, TokenType,
};
pub use totp::TotpSettings;

/// The built-in defaults, which are the documented reference as well.
const REFERENCE: &str = include_str!("../../docs/chancery.toml");
/// Read when it exists and no other file is named.
const DEFAULT_FILE: &str = "chancery.toml";

/// Tolerated difference between two machines' clocks.
pub const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_secs(60);

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who issues.
    pub issuer: IssuerSettings,
    /// Where to listen.
    pub server: ServerSettings,
    /// Where state lives.
    pub database: DatabaseSettings,
    /// What several instances share for speed.
    pub redis: RedisSettings,
    /// The protocol's options.
    pub oauth: OAuthSettings,
    /// Logins with cookies.
    pub browser: BrowserSettings,
    /// Lifetimes and shape of tokens.
    pub tokens: TokenSettings,
    /// The signing keys' life.
    pub keys: KeySettings,
    /// How verifiers may cache keys.
    pub jwks: JwksSettings,
    /// Where metrics are served.
    pub metrics: MetricsSettings,
    /// What people may do by themselves.
    pub accounts: AccountSettings,
    /// Password hashing.
    pub password: PasswordSettings,
    /// Wrong guesses.
    pub limits: LimitSettings,
    /// The second factor.
    pub totp: TotpSettings,
    /// Logging.
    pub log: LogSettings,
}

/// Where settings come from besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A file that must exist; none: `chancery.toml` if it is there.
    pub file: Option<PathBuf>,
    /// Environment variables; only those that begin with `CHANCERY__` are looked at.
    pub environment: Vec<(String, String)>,
    /// Keys set by command line flags.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// The process's environment, with this file.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        let text = |name: std::ffi::OsString| name.into_string().ok();
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect();
        Self { file, environment, flags: Vec::new() }
    }
}

/// Settings that cannot be used: everything that is wrong with them.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Invalid(pub Vec<Fault>);

impl Settings {
    /// Reads and checks all layers.
    pub fn load(sources: &Sources) -> Result<Self, Invalid> {
        Self::load_with_origins(sources).map(|(settings, _)| settings)
    }

    /// As [`Settings::load`], with each key's value (secrets hidden) and where it comes from, for people to read.
    pub fn load_with_origins(sources: &Sources) -> Result<(Self, Vec<Effective>), Invalid> {
        let mut reader = Reader::layered(REFERENCE, sources, Path::new(DEFAULT_FILE))?;
        let jwks = JwksSettings::read(&mut reader);
        let issuer = IssuerSettings::read(&mut reader);
        let settings = Self {
            browser: BrowserSettings::read(&mut reader, &issuer),
            totp: TotpSettings::read(&mut reader, &issuer),
            issuer,
            server: ServerSettings::read(&mut reader),
            database: DatabaseSettings::read(&mut reader),
            redis: RedisSettings::read(&mut reader),
            oauth: OAuthSettings::read(&mut reader),
            tokens: TokenSettings::read(&mut reader),
            keys: KeySettings::read(&mut reader, &jwks),
            jwks,
            metrics: MetricsSettings::read(&mut reader),
            accounts: AccountSettings::read(&mut reader),
            password: PasswordSettings::read(&mut reader),
            limits: LimitSettings::read(&mut reader),
            log: LogSettings::read(&mut reader),
        };
        settings.check_together(&mut reader);
        let effective = reader.finish()?;
        Ok((settings, effective))
    }

    /// What no section can judge alone.
    fn check_together(&self, reader: &mut Reader) {
        if self.accounts.sign_up && self.browser.client.is_none() {
            reader.fault("accounts.sign_up", "needs browser.client, too".to_owned());
        }
        if self.keys.longest_token() < self.tokens.access_token_lifetime {
            let alive = self.tokens.access_token_lifetime + self.keys.reload_interval + CLOCK_SKEW;
            reader.fault(
                "keys.retention",
                format!(
                    "must be at least tokens.access_token_lifetime + keys.reload_interval + {} ({}), or a key would leave before its last token",
                    humantime::format_duration(CLOCK_SKEW),
                    humantime::format_duration(alive)
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(environment: &[(&str, &str)]) -> Result<Settings, Invalid> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Settings::load(&Sources { environment: environment.iter().map(own).collect(), ..Sources::default() })
    }

    fn faults(environment: &[(&str, &str)]) -> String {
        load(environment).unwrap_err().to_string()
    }

    #[test]
    fn the_reference_holds_the_documented_defaults() {
        let settings = load(&[]).unwrap();
        assert_eq!(settings.issuer.url, None);
        assert_eq!(settings.tokens.access_token_lifetime.as_secs(), 600);
        assert_eq!(settings.tokens.refresh_idle_lifetime.as_secs(), 7 * 86400);
        assert_eq!(settings.tokens.refresh_absolute_lifetime.as_secs(), 30 * 86400);
        assert_eq!(settings.password.memory_kib, 19456);
        assert_eq!(settings.keys.rsa_bits, 2048);
        assert_eq!(settings.jwks.max_age.as_secs(), 300);
    }

    #[test]
    fn every_key_that_is_read_stands_in_the_reference() {
        let (_, effective) = Settings::load_with_origins(&Sources::default()).unwrap();
        for key in effective {
            let (section, name) = key.key.split_once('.').unwrap();
            let body = REFERENCE.split(&format!("\n[{section}]\n")).nth(1).expect(section);
            let body = body.split("\n[").next().unwrap();
            let documented =
                body.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
            assert!(documented, "{} is not in docs/chancery.toml", key.key);
        }
    }

    #[test]
    fn every_fault_is_reported_at_once_with_its_key_and_variable() {
        let text = faults(&[
            ("CHANCERY__TOKENS__ACCESS_TOKEN_LIFETIME", "soon"),
            ("CHANCERY__KEYS__RSA_BITS", "1024"),
            ("CHANCERY__SERVER__BIND", "nowhere"),
            ("CHANCERY__TOKENS__COLOUR", "blue"),
        ]);
        assert_eq!(text.lines().count(), 4, "{text}");
        for key in ["tokens.access_token_lifetime", "keys.rsa_bits", "server.bind", "tokens.colour"] {
            assert!(text.contains(key), "{key} in {text}");
            assert!(text.contains(&variable_of(key)), "{} in {text}", variable_of(key));
        }
    }

    #[test]
    fn a_key_that_signs_before_verifiers_know_it_is_refused() {
        assert!(faults(&[("CHANCERY__KEYS__PROPAGATION_TIME", "5m")]).contains("keys.propagation_time"));
        assert!(faults(&[("CHANCERY__KEYS__RETENTION", "10m")]).contains("keys.retention"));
    }

    #[test]
    fn what_only_browsers_use_needs_a_client_for_them() {
        let only =
            [("CHANCERY__ACCOUNTS__SIGN_UP", "true"), ("CHANCERY__BROWSER__ORIGINS", "https://app.example")];
        let text = faults(&only);
        assert_eq!(text.lines().count(), 2, "{text}");
        for key in ["accounts.sign_up", "browser.origins"] {
            assert!(text.lines().any(|line| line.contains(key) && line.contains("browser.client")), "{text}");
        }
        load(&[&only[..], &[("CHANCERY__BROWSER__CLIENT", "web")]].concat()).unwrap();
    }

    #[test]
    fn a_later_layer_wins_and_lists_read_from_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, "[tokens]\naudience = [\"a\"]\naccess_token_lifetime = \"1m\"\n").unwrap();
        let sources = Sources {
            file: Some(file),
            environment: vec![("CHANCERY__TOKENS__AUDIENCE".to_owned(), "b c".to_owned())],
            flags: vec![("server.bind", "127.0.0.1:9".to_owned())],
        };
        let settings = Settings::load(&sources).unwrap();
        assert_eq!(settings.tokens.audience, ["b", "c"]);
        assert_eq!(settings.tokens.access_token_lifetime.as_secs(), 60);
        assert_eq!(settings.server.bind.port(), 9);
    }

    #[test]
    fn a_secret_reads_from_a_file_and_never_prints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "postgres://chancery:hunter2@db/chancery\n").unwrap();
        let sources = Sources {
            environment: vec![("CHANCERY__DATABASE__URL_FILE".to_owned(), file.display().to_string())],
            ..Sources::default()
        };
        let (settings, effective) = Settings::load_with_origins(&sources).unwrap();
        assert!(settings.database.expose().contains("hunter2"));
        assert!(!format!("{settings:?} {effective:?}").contains("hunter2"));
    }

    #[test]
    fn a_later_layer_wins_over_an_earlier_layers_secret_file_and_both_at_once_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (url_file, settings_file) = (folder.path().join("url"), folder.path().join("c.toml"));
        std::fs::write(&url_file, "sqlite://from-file.db").unwrap();
        std::fs::write(&settings_file, format!("[database]\nurl_file = {url_file:?}\n")).unwrap();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut sources = Sources { file: Some(settings_file), ..Sources::default() };
        let (settings, effective) = Settings::load_with_origins(&sources).unwrap();
        assert_eq!(settings.database.expose(), "sqlite://from-file.db");
        let shown = effective.iter().find(|one| one.key == "database.url").unwrap();
        assert_eq!(shown.origin.as_deref(), url_file.to_str());
        sources.environment = vec![variable("CHANCERY__DATABASE__URL", "sqlite://from-variable.db")];
        assert_eq!(Settings::load(&sources).unwrap().database.expose(), "sqlite://from-variable.db");
        let file = variable("CHANCERY__DATABASE__URL_FILE", url_file.to_str().unwrap());
        sources.environment.push(file);
        assert!(Settings::load(&sources).unwrap_err().to_string().contains("together"));
    }

    #[test]
    fn a_missing_or_broken_file_is_named() {
        let missing = Sources { file: Some("/nonexistent/c.toml".into()), ..Sources::default() };
        assert!(Settings::load(&missing).unwrap_err().to_string().contains("/nonexistent/c.toml"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broken.toml");
        std::fs::write(&file, "[tokens\n").unwrap();
        let broken = Sources { file: Some(file), ..Sources::default() };
        assert!(Settings::load(&broken).unwrap_err().to_string().contains("broken.toml"));
    }
}
