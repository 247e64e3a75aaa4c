//! The cookies of a login (RFC 6265bis). Their prefixes make browsers guarantee that nobody but the issuer's host
//! (`__Host-`), or nobody over http (`__Secure-`), has set them. A cookie that comes twice, or under a name that browsers
//! take for the same, is refused: one of the two is somebody else's.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::HttpResponseBuilder;
use actix_web::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use cookie::{Cookie, SameSite as Attribute};

use crate::config::{BrowserSettings, SameSite};
use crate::oauth::OAuthError;

/// The refresh token's cookie, of those that came.
pub fn refresh_token(
    request: &HttpRequest,
    settings: &BrowserSettings,
) -> Result<Option<String>, OAuthError> {
    let name = name(&settings.refresh_cookie, settings);
    let mut values = Vec::new();
    for line in request.headers().get_all(COOKIE) {
        // Cookies of other apps may hold any bytes. Ours does not: one with others is none of ours.
        let line = String::from_utf8_lossy(line.as_bytes());
        for cookie in Cookie::split_parse(line).flatten() {
            if cookie.name().eq_ignore_ascii_case(&name) {
                values.push(cookie);
            }
        }
    }
    match values.as_slice() {
        [] => Ok(None),
        [one] if one.name() == name => Ok(Some(one.value().to_owned()).filter(|value| !value.is_empty())),
        _ => Err(OAuthError::InvalidRequest(format!("the cookie {name} is given twice, or misspelt"))),
    }
}

/// Adds the cookies of a login.
pub fn set(
    response: &mut HttpResponseBuilder,
    settings: &BrowserSettings,
    refresh: (&str, Duration),
    access: Option<(&str, Duration)>,
) {
    add(response, cookie(&settings.refresh_cookie, refresh.0, refresh.1, settings));
    if let (Some(name), Some((value, life))) = (&settings.access_cookie, access) {
        add(response, cookie(name, value, life, settings));
    }
}

/// What takes them away again.
pub fn cleared(settings: &BrowserSettings) -> Vec<HeaderValue> {
    let names = [Some(&settings.refresh_cookie), settings.access_cookie.as_ref()];
    names
        .into_iter()
        .flatten()
        .filter_map(|name| value(&cookie(name, "", Duration::ZERO, settings)))
        .collect()
}

fn add(response: &mut HttpResponseBuilder, cookie: Cookie<'_>) {
    if let Some(value) = value(&cookie) {
        response.append_header((SET_COOKIE, value));
    }
}

/// Some: names and values are of our own making.
fn value(cookie: &Cookie<'_>) -> Option<HeaderValue> {
    HeaderValue::from_str(&cookie.to_string()).ok()
}

fn cookie<'a>(plain: &str, value: &'a str, life: Duration, settings: &'a BrowserSettings) -> Cookie<'a> {
    let life = cookie::time::Duration::seconds(i64::try_from(life.as_secs()).unwrap_or(i64::MAX));
    let mut cookie = Cookie::build((name(plain, settings), value))
        .http_only(true)
        .secure(settings.secure)
        .partitioned(settings.partitioned)
        .path(&settings.path)
        .max_age(life)
        .same_site(match settings.same_site {
            SameSite::Strict => Attribute::Strict,
            SameSite::Lax => Attribute::Lax,
            SameSite::None => Attribute::None,
        });
    if let Some(domain) = &settings.domain {
        cookie = cookie.domain(domain);
    }
    cookie.build()
}

/// With the prefix that browsers accept for these attributes.
fn name(plain: &str, settings: &BrowserSettings) -> String {
    let prefix = match (settings.secure, &settings.domain, settings.path.as_str()) {
        (false, _, _) => "",
        (true, None, "/") => "__Host-",
        (true, _, _) => "__Secure-",
    };
    [prefix, plain].concat()
}
