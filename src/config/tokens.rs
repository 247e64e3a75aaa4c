//! Section `tokens`.

use std::str::FromStr;
use std::time::Duration;

use super::reader::Reader;

/// No access token lives longer, whichever client it is for: so much must be kept of keys and ended sessions.
pub const MAX_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest time for which a spent refresh token may be repeated.
pub const MAX_REUSE_LEEWAY: Duration = Duration::from_secs(60);

const SECOND: Duration = Duration::from_secs(1);
/// The longest that a session may last: ten years.
pub const MAX_SESSION_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Lifetimes and shape of tokens; a client may have its own.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// From `iat` to `exp`.
    pub access_token_lifetime: Duration,
    /// Between two refreshes.
    pub refresh_idle_lifetime: Duration,
    /// From login to the session's end.
    pub refresh_absolute_lifetime: Duration,
    /// How long a spent refresh token still yields its successor.
    pub refresh_reuse_leeway: Duration,
    /// The `aud` claim; empty means the issuer.
    pub audience: Vec<String>,
    /// The `typ` header.
    pub token_type: TokenType,
}

impl TokenSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let settings = Self {
            access_token_lifetime: reader.duration(
                "tokens.access_token_lifetime",
                SECOND,
                MAX_ACCESS_TOKEN_LIFETIME,
            ),
            refresh_idle_lifetime: reader.duration(
                "tokens.refresh_idle_lifetime",
                SECOND,
                MAX_SESSION_LIFETIME,
            ),
            refresh_absolute_lifetime: reader.duration(
                "tokens.refresh_absolute_lifetime",
                SECOND,
                MAX_SESSION_LIFETIME,
            ),
            refresh_reuse_leeway: reader.duration(
                "tokens.refresh_reuse_leeway",
                Duration::ZERO,
                MAX_REUSE_LEEWAY,
            ),
            audience: reader.list("tokens.audience"),
            token_type: reader.parsed("tokens.token_type", "at+jwt or JWT").unwrap_or_default(),
        };
        if settings.audience.iter().any(|one| one.is_empty() || one.contains(char::is_whitespace)) {
            reader.fault("tokens.audience", "must hold texts without white space".to_owned());
        }
        if settings.refresh_idle_lifetime > settings.refresh_absolute_lifetime {
            let problem = "must not be longer than tokens.refresh_absolute_lifetime".to_owned();
            reader.fault("tokens.refresh_idle_lifetime", problem);
        }
        settings
    }
}

/// The `typ` header of an access token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 9068.
    #[default]
    AtJwt,
    /// RFC 7519, for verifiers that refuse `at+jwt`.
    Jwt,
}

impl TokenType {
    /// As it stands in the header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

impl FromStr for TokenType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "at+jwt" => Ok(Self::AtJwt),
            "JWT" => Ok(Self::Jwt),
            other => Err(format!("must be at+jwt or JWT, not \"{other}\"")),
        }
    }
}
