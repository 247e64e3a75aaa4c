//! The payload of an access token (RFC 9068 section 2.2).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The claims of an access token. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The issuer's URL.
    pub iss: String,
    /// The user's id, or the client's own when it acts for itself.
    pub sub: String,
    /// Who may accept the token.
    pub aud: Audience,
    /// When it expires.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own id.
    pub jti: String,
    /// Through which client.
    pub client_id: String,
    /// What it may do; absent when nothing in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The session it descends from; absent when a client acts for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// When the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How (RFC 8176).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// Extra claims of the client and the user.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The `aud` claim: a text when there is one, a list when there are several, never an empty list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Audience {
    /// These audiences, of which there is at least one.
    pub fn of(mut list: Vec<String>) -> Self {
        if list.len() == 1 { Self::One(list.remove(0)) } else { Self::Many(list) }
    }
}
