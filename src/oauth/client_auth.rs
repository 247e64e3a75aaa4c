//! Which client is asking (RFC 6749 section 2.3): `client_secret_basic`, `client_secret_post` or `none`, with the
//! habits of real clients: Swagger UI's blank `Basic Og==`, requests-oauthlib's `Basic id:`, raw or form-encoded
//! credentials, and clients that do not say who they are because their token does.

use std::ops::Deref;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::SecretString;

use super::form::decode_text;
use super::shown::Shown;
use super::{Issuer, OAuthError, Request};
use crate::accounts::Client;
use crate::store::{Store, StoreError, clients};
use crate::tokens::access_token;

/// Proof that a client is who it says, and may act.
#[derive(Debug)]
pub(super) struct AuthenticatedClient {
    client: Client,
    /// Whether it used HTTP Basic.
    pub basic: bool,
}

impl Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// What the request says about the client.
enum Presented {
    /// Nothing.
    Nothing,
    /// An id without a secret: `none`. Several are spellings of one, as below.
    Id { ids: Vec<String>, basic: bool },
    /// Pairs of which one must be right: raw, and decoded if that differs.
    Secret { pairs: Vec<(String, SecretString)>, basic: bool },
}

/// The client, which must be known and prove itself.
pub(super) async fn authenticate(
    issuer: &Issuer,
    store: &Store,
    request: &Request,
    shown: Option<&Shown>,
) -> Result<AuthenticatedClient, OAuthError> {
    identify(issuer, store, request, shown).await?.ok_or(OAuthError::NoClient)
}

/// As [`authenticate`], but none when neither the request nor its token names a client. The client of the refresh token
/// that is shown has been read with it.
pub(super) async fn identify(
    issuer: &Issuer,
    store: &Store,
    request: &Request,
    shown: Option<&Shown>,
) -> Result<Option<AuthenticatedClient>, OAuthError> {
    let known = shown.and_then(|shown| shown.holder.as_ref()).map(|holder| &holder.client);
    let (presented, basic) = match presented(request)? {
        Presented::Nothing => match implied_id(issuer, request, known).await? {
            Some(id) => (vec![(id, None)], false),
            None => return Ok(None),
        },
        Presented::Id { ids, basic } => (ids.into_iter().map(|id| (id, None)).collect(), basic),
        Presented::Secret { pairs, basic } => {
            (pairs.into_iter().map(|(id, secret)| (id, Some(secret))).collect(), basic)
        }
    };
    let client = match known.filter(|client| presented.iter().any(|(id, _)| *id == client.id)) {
        Some(client) => Some(client.clone()),
        None => find(store, presented.iter().map(|(id, _)| id.clone()).collect()).await?,
    };
    if let Err(error) = verify(client.as_ref(), &presented, basic) {
        if let Some((id, Some(_))) = presented.first() {
            let id = client.as_ref().map_or(id, |client| &client.id);
            issuer.lockout.count_wrong_secret(id, request.from.address).await?;
        }
        return Err(error);
    }
    Ok(client.map(|client| {
        tracing::Span::current().record("client", client.id.as_str());
        AuthenticatedClient { client, basic }
    }))
}

fn presented(request: &Request) -> Result<Presented, OAuthError> {
    let (id, secret) = (request.form.get("client_id"), request.form.get("client_secret"));
    let basic = request.authorization.as_deref().map(parse_basic).transpose()?.flatten();
    let contradiction = |problem: &str| Err(OAuthError::InvalidRequest(problem.to_owned()));
    match (basic, id, secret) {
        (None, None, None) => Ok(Presented::Nothing),
        (None, None, Some(_)) => contradiction("client_secret is given without client_id"),
        (None, Some(id), None) => Ok(Presented::Id { ids: vec![id.to_owned()], basic: false }),
        (None, Some(id), Some(secret)) => {
            Ok(Presented::Secret { pairs: vec![(id.to_owned(), secret.into())], basic: false })
        }
        (Some(_), _, Some(_)) => contradiction("the client authenticates in two ways at once"),
        (Some(basic), id, None) => {
            if id.is_some_and(|id| !basic.iter().any(|(named, _)| named == id)) {
                return contradiction("client_id differs between the header and the form");
            }
            Ok(presented_basic(basic))
        }
    }
}

fn presented_basic(pairs: Vec<(String, String)>) -> Presented {
    if pairs.iter().all(|(_, secret)| secret.is_empty()) {
        return Presented::Id { ids: pairs.into_iter().map(|(id, _)| id).collect(), basic: true };
    }
    let hide = |(id, secret): (String, String)| (id, SecretString::from(secret));
    Presented::Secret { pairs: pairs.into_iter().map(hide).collect(), basic: true }
}

/// The id and secret of a Basic header, raw and, where that differs, form-decoded (RFC 6749 section 2.3.1). None for
/// other schemes, which are no client authentication, and for the blank `Basic Og==`.
fn parse_basic(header: &str) -> Result<Option<Vec<(String, String)>>, OAuthError> {
    let (scheme, value) = header.trim().split_once([' ', '\t']).unwrap_or((header.trim(), ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let malformed = refusal("malformed Basic credentials", true);
    let text = BASE64_STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((id, secret)) = text.as_deref().and_then(|text| text.split_once(':')) else {
        return Err(malformed);
    };
    if id.is_empty() {
        return if secret.is_empty() { Ok(None) } else { Err(malformed) };
    }
    let mut pairs = vec![(id.to_owned(), secret.to_owned())];
    if let (Some(id), Some(secret)) = (decode_text(id), decode_text(secret)) {
        let decoded = (id, secret);
        if decoded != pairs[0] {
            pairs.push(decoded);
        }
    }
    Ok(Some(pairs))
}

/// The client that is meant when the request names none: the one that the token was issued to, or else, for a
/// login, the configured default.
async fn implied_id(
    issuer: &Issuer,
    request: &Request,
    known: Option<&Client>,
) -> Result<Option<String>, OAuthError> {
    if let Some(client) = known {
        return Ok(Some(client.id.clone()));
    }
    if let Some(token) = request.form.get("token") {
        let (ring, now) = (issuer.keys.current().await?, issuer.clock.now());
        return Ok(access_token::verify(&ring, token, &issuer.url, now).map(|claims| claims.client_id));
    }
    let is_given = |name| request.form.get(name).is_some();
    let is_login = (is_given("password") || is_given("mfa_token")) && !is_given("refresh_token");
    Ok(issuer.settings.oauth.default_client.clone().filter(|_| is_login))
}

/// One of the pairs must be right; for a public client, none has a secret.
fn verify(
    client: Option<&Client>,
    presented: &[(String, Option<SecretString>)],
    basic: bool,
) -> Result<(), OAuthError> {
    let client = client.ok_or(refusal("unknown client", basic))?;
    let is_right = |(id, secret): &(String, Option<SecretString>)| {
        *id == client.id
            && secret.as_ref().zip(client.secret.as_ref()).is_some_and(|(one, hash)| hash.matches(one))
    };
    match (&client.secret, presented.iter().all(|(_, secret)| secret.is_none())) {
        (None, false) => return Err(refusal("a public client gave a secret", basic)),
        (Some(_), true) => return Err(refusal("a confidential client gave no secret", basic)),
        (Some(_), false) if !presented.iter().any(is_right) => {
            return Err(refusal("wrong client secret", basic));
        }
        _ => {}
    }
    if client.disabled {
        return Err(refusal("the client is disabled", basic));
    }
    Ok(())
}

/// The first of these that exists.
async fn find(store: &Store, ids: Vec<String>) -> Result<Option<Client>, StoreError> {
    store
        .read(move |conn| {
            for id in ids {
                if let Some(row) = clients::find(conn, &id)? {
                    return Client::from_row(&row).map(Some);
                }
            }
            Ok(None)
        })
        .await
}

fn refusal(reason: &'static str, basic: bool) -> OAuthError {
    OAuthError::InvalidClient { reason, basic }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> Option<Vec<(String, String)>> {
        parse_basic(&format!("Basic {}", BASE64_STANDARD.encode(text))).unwrap()
    }

    #[test]
    fn the_blank_client_of_swagger_ui_is_no_client() {
        assert_eq!(parse_basic("Basic Og==").unwrap(), None);
        assert_eq!(parse_basic("Bearer abc").unwrap(), None);
    }

    #[test]
    fn credentials_are_read_raw_and_decoded() {
        assert_eq!(basic("a:b").unwrap().len(), 1);
        let both = basic("my%2Dapp:s+x").unwrap();
        assert_eq!(both[0], ("my%2Dapp".to_owned(), "s+x".to_owned()));
        assert_eq!(both[1], ("my-app".to_owned(), "s x".to_owned()));
    }

    #[test]
    fn malformed_credentials_are_refused() {
        for bad in ["Basic", "Basic !", "Basic YQ==", "Basic OmE=", "basic /w=="] {
            assert!(matches!(parse_basic(bad), Err(OAuthError::InvalidClient { basic: true, .. })), "{bad}");
        }
    }
}
