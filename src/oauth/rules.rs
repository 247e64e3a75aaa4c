//! Which scopes and audiences a request may have, as pure functions. Nothing is ever widened.

use super::OAuthError;
use super::request::Asked;
use crate::accounts::{Client, Scopes};

/// The scopes of a new grant: those asked for, all of which must be allowed, or else the client's default as far as
/// allowed.
pub(super) fn grant_scope(asked: &Asked, client: &Client, allowed: &Scopes) -> Result<Scopes, OAuthError> {
    match requested_scope(asked)? {
        Some(scope) => within(scope, allowed),
        None => Ok(client.default_scopes().intersection(allowed)),
    }
}

/// The scopes of a refreshed access token: those asked for, all of which must have been granted and still be allowed,
/// or else what is left of the grant.
pub(super) fn refresh_scope(asked: &Asked, granted: &Scopes, allowed: &Scopes) -> Result<Scopes, OAuthError> {
    let left = granted.intersection(allowed);
    match requested_scope(asked)? {
        Some(scope) => within(scope, &left),
        None => Ok(left),
    }
}

/// The scopes asked for, well-formed.
pub(super) fn requested_scope(asked: &Asked) -> Result<Option<Scopes>, OAuthError> {
    asked.scope.as_deref().map(Scopes::parse).transpose().map_err(OAuthError::InvalidScope)
}

/// The scopes, if every one is allowed.
pub(super) fn within(scope: Scopes, allowed: &Scopes) -> Result<Scopes, OAuthError> {
    if scope.is_subset(allowed) {
        return Ok(scope);
    }
    Err(OAuthError::InvalidScope("the scope is more than the client or user may have".to_owned()))
}

/// The audience of a token (RFC 8707): the resources asked for, all of which must be among `allowed`, or else all of
/// those. Never empty: a token for nobody in particular would be one for everybody.
pub(super) fn audience(asked: &Asked, allowed: &[String]) -> Result<Vec<String>, OAuthError> {
    if asked.resource.is_empty() && !allowed.is_empty() {
        return Ok(allowed.to_vec());
    }
    if allowed.is_empty() || !asked.resource.iter().all(|resource| allowed.contains(resource)) {
        return Err(OAuthError::InvalidTarget);
    }
    let mut audience: Vec<String> = Vec::new();
    for resource in &asked.resource {
        if !audience.contains(resource) {
            audience.push(resource.clone());
        }
    }
    Ok(audience)
}
