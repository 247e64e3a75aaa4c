//! Section `browser`.

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::issuer::IssuerSettings;
use super::reader::Reader;
use super::tokens::MAX_REUSE_LEEWAY;

/// How people log in with cookies.
#[derive(Clone, Debug)]
pub struct BrowserSettings {
    /// The public client that browsers are; none: there are no routes for them.
    pub client: Option<String>,
    /// Origins whose pages may log in, refresh and log out; the issuer's own among them.
    pub origins: Vec<String>,
    /// The cookies' domain; none: the issuer's host alone.
    pub domain: Option<String>,
    /// The cookies' path.
    pub path: String,
    /// From which sites' pages browsers send the cookies.
    pub same_site: SameSite,
    /// Whether each site that embeds the issuer has cookies of its own (CHIPS).
    pub partitioned: bool,
    /// Whether cookies are `Secure` and their names say so.
    pub secure: bool,
    /// The refresh token's cookie, without the prefix.
    pub refresh_cookie: String,
    /// The access token's cookie, without the prefix; none: it is in the body.
    pub access_cookie: Option<String>,
    /// How long a spent refresh token yields its successor again: two tabs share one cookie.
    pub reuse_leeway: Duration,
}

/// The attribute `SameSite`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// Never with requests from another site.
    Strict,
    /// With links from another site, too.
    Lax,
    /// Always, where the browser lets other sites' cookies be.
    None,
}

impl FromStr for SameSite {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "strict" => Ok(Self::Strict),
            "lax" => Ok(Self::Lax),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

impl BrowserSettings {
    pub(super) fn read(reader: &mut Reader, issuer: &IssuerSettings) -> Self {
        let settings = Self {
            client: reader.text("browser.client"),
            origins: origins(reader, issuer),
            domain: reader.text("browser.domain"),
            path: reader.text("browser.path").unwrap_or_else(|| "/".to_owned()),
            same_site: reader.parsed("browser.same_site", "strict, lax or none").unwrap_or(SameSite::Strict),
            partitioned: reader.flag("browser.partitioned"),
            secure: !reader.flag("browser.insecure_cookies"),
            refresh_cookie: reader.text("browser.refresh_cookie").unwrap_or_default(),
            access_cookie: reader.text("browser.access_cookie"),
            reuse_leeway: reader.duration("browser.reuse_leeway", Duration::ZERO, MAX_REUSE_LEEWAY),
        };
        settings.check(reader, issuer);
        if settings.client.is_none() && settings.origins.len() > usize::from(issuer.url.is_some()) {
            reader.fault("browser.origins", "needs browser.client, too".to_owned());
        }
        settings
    }

    fn check(&self, reader: &mut Reader, issuer: &IssuerSettings) {
        let host = issuer.url.as_deref().and_then(|url| Url::parse(url).ok());
        let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
        if let Some(domain) = &self.domain
            && !host.is_empty()
            && host != domain
            && !host.ends_with(&format!(".{domain}"))
        {
            let problem = format!("must be {host} (issuer.url) or a domain above it, not \"{domain}\"");
            reader.fault("browser.domain", problem);
        }
        if !self.path.starts_with('/')
            || !self.path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
        {
            reader.fault("browser.path", "must begin with / and hold no ; and no spaces".to_owned());
        }
        let cookies = [Some(&self.refresh_cookie), self.access_cookie.as_ref()];
        for (key, name) in ["browser.refresh_cookie", "browser.access_cookie"].into_iter().zip(cookies) {
            let is_good = |name: &String| {
                !name.is_empty()
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
            };
            if name.is_some_and(|name| !is_good(name) || name.to_ascii_lowercase().starts_with("__")) {
                let problem = "must hold letters, digits, _, - and . and not begin with __".to_owned();
                reader.fault(key, problem);
            }
        }
        if self.access_cookie.as_ref() == Some(&self.refresh_cookie) {
            reader.fault("browser.access_cookie", "must differ from browser.refresh_cookie".to_owned());
        }
        self.check_security(reader, issuer);
    }

    fn check_security(&self, reader: &mut Reader, issuer: &IssuerSettings) {
        if self.secure {
            return;
        }
        let is_https = issuer.url.as_deref().is_some_and(|url| url.starts_with("https:"));
        if is_https {
            let problem = "must be false where issuer.url is https".to_owned();
            reader.fault("browser.insecure_cookies", problem);
        }
        if self.same_site == SameSite::None || self.partitioned {
            let problem = "browsers take SameSite=None and Partitioned cookies over https only".to_owned();
            reader.fault("browser.insecure_cookies", problem);
        }
    }
}

fn origins(reader: &mut Reader, issuer: &IssuerSettings) -> Vec<String> {
    let mut origins = reader.origins("browser.origins");
    let own = issuer.url.as_deref().and_then(|url| Url::parse(url).ok());
    origins.extend(own.map(|url| url.origin().ascii_serialization()));
    origins
}
