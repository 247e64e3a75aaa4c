//! Access tokens: signing and verifying (RFC 9068, RFC 7515).

use crate::clock::Timestamp;
use crate::config::TokenType;
use crate::keys::{KeyError, Ring};
use crate::tokens::AccessClaims;

/// Signs claims with the active key.
pub fn sign(ring: &Ring, claims: &AccessClaims, typ: TokenType) -> Result<String, KeyError> {
    let payload = serde_json::to_vec(claims).map_err(|error| KeyError::Crypto(error.to_string()))?;
    ring.sign(&payload, typ.as_str(), Timestamp::from_unix(claims.iat))
}

/// The claims of a token that this issuer signed with a key that is still published, and that has not expired.
/// Whether it was revoked is another question.
pub fn verify(ring: &Ring, token: &str, issuer: &str, now: Timestamp) -> Option<AccessClaims> {
    let claims: AccessClaims = serde_json::from_slice(&ring.verify(token)?).ok()?;
    (claims.iss == issuer && now.as_unix() < claims.exp).then_some(claims)
}
