//! Extra static claims of a user or client, such as PostgREST's `role`. They may not pass for what the issuer says.

use serde_json::{Map, Value};

/// Claims that only the issuer sets: RFC 7519, RFC 9068, RFC 8693, RFC 7800 and OpenID Connect; and the members of an
/// introspection's answer (RFC 7662), which holds a token's claims beside its own.
const RESERVED: [&str; 19] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "sid",
    "auth_time",
    "amr",
    "acr",
    "cnf",
    "act",
    "may_act",
    "active",
    "token_type",
    "username",
];
/// They travel in every request's header.
const MAX_BYTES: usize = 4096;

/// A checked JSON object of extra claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtraClaims(Map<String, Value>);

impl ExtraClaims {
    /// Reads a JSON object, refusing reserved names.
    pub fn parse(json: &str) -> Result<Self, String> {
        if json.len() > MAX_BYTES {
            return Err(format!("extra claims must be at most {MAX_BYTES} bytes of JSON"));
        }
        let claims: Map<String, Value> = serde_json::from_str(json).map_err(|cause| {
            format!("extra claims must be a JSON object such as {{\"role\":\"editor\"}}: {cause}")
        })?;
        match claims.keys().find(|name| RESERVED.contains(&name.as_str())) {
            Some(name) => {
                Err(format!("the claim \"{name}\" is set by the issuer and cannot be an extra claim"))
            }
            None => Ok(Self(claims)),
        }
    }

    /// These claims with those of `other` over them.
    #[must_use]
    pub fn merged_with(&self, other: &Self) -> Self {
        let mut merged = self.0.clone();
        merged.extend(other.0.clone());
        Self(merged)
    }

    /// As a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl std::fmt::Display for ExtraClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not `to_string`, which would need a `Value` of its own.
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_refused() {
        for name in RESERVED {
            let error = ExtraClaims::parse(&format!("{{\"{name}\":1}}")).unwrap_err();
            assert!(error.contains(name));
        }
        assert!(ExtraClaims::parse("[1]").is_err());
        assert!(ExtraClaims::parse(r#"{"role":"editor"}"#).is_ok());
    }

    #[test]
    fn later_claims_win() {
        let client = ExtraClaims::parse(r#"{"role":"anon","tenant":1}"#).unwrap();
        let user = ExtraClaims::parse(r#"{"role":"editor"}"#).unwrap();
        assert_eq!(client.merged_with(&user).to_string(), r#"{"role":"editor","tenant":1}"#);
    }
}
