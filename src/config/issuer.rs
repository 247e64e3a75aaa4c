//! Section `issuer`.

use url::{Host, Url};

use super::reader::Reader;

/// Who issues.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The issuer identifier exactly as configured: it is compared as text.
    pub url: Option<String>,
}

impl IssuerSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let url = reader.text("issuer.url");
        let insecure = reader.flag("issuer.allow_insecure_http");
        if let Some(problem) = url.as_deref().and_then(|url| problem(url, insecure)) {
            reader.fault("issuer.url", problem);
        }
        Self { url }
    }
}

fn problem(text: &str, insecure: bool) -> Option<String> {
    let Ok(url) = Url::parse(text) else {
        return Some(format!("must be a URL such as https://auth.example.com, not \"{text}\""));
    };
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Some("must have no query, fragment or credentials (RFC 8414 section 2)".to_owned());
    }
    // It is compared as text, so it must be written as every library would write it.
    if url.as_str().trim_end_matches('/') != text.trim_end_matches('/') {
        return Some(format!("must be written as \"{url}\""));
    }
    match url.scheme() {
        "https" => None,
        "http" if insecure || is_loopback(&url) => None,
        "http" => Some(
            "must be https; http is accepted for loopback addresses, or with issuer.allow_insecure_http = true".to_owned(),
        ),
        scheme => Some(format!("must be https, not {scheme}")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_may_be_plain_http() {
        for good in
            ["https://auth.example.com", "http://127.0.0.1:8080", "http://[::1]/a", "http://localhost"]
        {
            assert_eq!(problem(good, false), None, "{good}");
        }
        for bad in [
            "http://auth.example.com",
            "ftp://x",
            "auth.example.com",
            "https://a/?b",
            "https://u:p@a/",
            " https://a",
            "https:a",
            "HTTPS://A",
        ] {
            assert!(problem(bad, false).is_some(), "{bad}");
        }
        assert_eq!(problem("http://auth.internal", true), None);
    }
}
