//! Who asks, as an address: the peer, or whom the proxies that are trusted ask for (`Forwarded`, RFC 7239, or
//! `X-Forwarded-For`). Read from right to left, because every proxy adds to the right: what stands to the left of the
//! first address that is no proxy's was written by a client, who may write anything.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Once;

use actix_web::dev::RequestHead;
use actix_web::http::header::{FORWARDED, HeaderName, X_FORWARDED_FOR};
use ipnet::IpNet;

use crate::config::{ForwardedHeader, ServerSettings};

/// The client's address. Where a proxy gives none that can be read, the proxy's own.
pub fn client_address(head: &RequestHead, settings: &ServerSettings) -> IpAddr {
    let peer = head.peer_addr.map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.ip()).to_canonical();
    if settings.trusted_proxies.is_empty() {
        warn_of_proxy(head, peer);
    }
    match settings.forwarded_header {
        ForwardedHeader::XForwardedFor => {
            let hops = elements(head, &X_FORWARDED_FOR).map(|element| address(element?));
            nearest_stranger(peer, hops, &settings.trusted_proxies)
        }
        ForwardedHeader::Forwarded => {
            let hops = elements(head, &FORWARDED).map(|element| node(element?));
            nearest_stranger(peer, hops, &settings.trusted_proxies)
        }
    }
}

/// Behind a proxy that nobody told us of, all clients are one. Said once, since anybody can send such a header.
fn warn_of_proxy(head: &RequestHead, peer: IpAddr) {
    static ONCE: Once = Once::new();
    if head.headers().contains_key(X_FORWARDED_FOR) || head.headers().contains_key(FORWARDED) {
        ONCE.call_once(|| {
            tracing::warn!(
                %peer,
                "a request says that it was forwarded: if this peer is a proxy of yours, name it in \
                 server.trusted_proxies, or limits and logs take it for the client"
            );
        });
    }
}

/// What proxies have added, the last one first. A header that is given several times is one list (RFC 9110 section
/// 5.6.1). None for an element that is no text: others can be read all the same.
fn elements<'a>(head: &'a RequestHead, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
    let lines: Vec<_> = head.headers().get_all(name).collect();
    let elements = lines.into_iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    elements
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .map(|element| str::from_utf8(element).ok())
}

/// Goes from proxy to proxy for as long as they are trusted and tell.
fn nearest_stranger(
    peer: IpAddr,
    mut hops: impl Iterator<Item = Option<IpAddr>>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut nearest = peer;
    while trusted.iter().any(|network| network.contains(&nearest)) {
        match hops.next().flatten() {
            Some(hop) => nearest = hop,
            None => break,
        }
    }
    nearest
}

/// Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let with_port = |_| text.parse().map(|address: SocketAddr| address.ip());
    let without_port = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    Some(without_port.parse::<IpAddr>().or_else(with_port).ok()?.to_canonical())
}

/// One that names two was put together by somebody who should not: a client, through its `Host`.
fn node(element: &str) -> Option<IpAddr> {
    let names = element.split(';').filter(|pair| pair.trim().to_ascii_lowercase().starts_with("for="));
    if names.count() > 1 {
        return None;
    }
    Some(rfc7239::parse(element).next()?.ok()?.forwarded_for?.ip()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::config::{Settings, Sources};

    fn seen(header: &str, peer: &str, lines: &[(&str, &str)]) -> String {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let environment = vec![
            variable("CHANCERY__SERVER__TRUSTED_PROXIES", "10.0.0.0/8 2001:db8::1"),
            variable("CHANCERY__SERVER__FORWARDED_HEADER", header),
        ];
        let settings = Settings::load(&Sources { environment, ..Sources::default() }).unwrap().server;
        let mut request = TestRequest::default().peer_addr(format!("{peer}:1").parse().unwrap());
        for line in lines {
            request = request.append_header(*line);
        }
        client_address(request.to_http_request().head(), &settings).to_string()
    }

    fn x(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        seen("X-Forwarded-For", peer, &lines)
    }

    fn rfc(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<_> = lines.iter().map(|line| ("Forwarded", *line)).collect();
        seen("Forwarded", peer, &lines)
    }

    #[test]
    fn a_stranger_says_nothing_about_itself() {
        assert_eq!(x("192.0.2.9", &["198.51.100.7"]), "192.0.2.9");
        assert_eq!(rfc("192.0.2.9", &["for=198.51.100.7"]), "192.0.2.9");
    }

    #[test]
    fn a_trusted_proxy_says_whom_it_asks_for() {
        assert_eq!(x("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(x("10.0.0.1", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(x("[2001:db8::1]", &["2001:db8::2"]), "2001:db8::2");
        assert_eq!(x("10.0.0.1", &["[2001:db8::2]:4711"]), "2001:db8::2");
        assert_eq!(x("10.0.0.1", &["[2001:db8::2]"]), "2001:db8::2");
        assert_eq!(x("[::ffff:10.0.0.1]", &["::ffff:198.51.100.7"]), "198.51.100.7");
        assert_eq!(rfc("10.0.0.1", &["proto=https;For=\"[2001:db8::2]:4711\";host=a"]), "2001:db8::2");
    }

    #[test]
    fn what_stands_left_of_the_first_stranger_counts_for_nothing() {
        assert_eq!(x("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.2.0.1 ,10.3.0.1"]), "198.51.100.7");
        assert_eq!(x("10.0.0.1", &["1.1.1.1, \u{e9}, 198.51.100.7,, "]), "198.51.100.7");
        assert_eq!(x("10.0.0.1", &["1.1.1.1", "10.4.0.1, 198.51.100.7", "10.2.0.1"]), "198.51.100.7");
        assert_eq!(rfc("10.0.0.1", &["for=\"1.1.1.1, for=198.51.100.7", "for=10.2.0.1"]), "198.51.100.7");
    }

    #[test]
    fn the_header_that_the_proxies_do_not_set_is_not_looked_at() {
        let both = [("Forwarded", "for=1.1.1.1"), ("X-Forwarded-For", "198.51.100.7")];
        assert_eq!(seen("X-Forwarded-For", "10.0.0.1", &both), "198.51.100.7");
        assert_eq!(seen("forwarded", "10.0.0.1", &both), "1.1.1.1");
    }

    #[test]
    fn a_proxy_that_does_not_tell_stands_for_its_clients() {
        for header in ["", "unknown", "1.1.1.1, x", "1.1.1.1, _hidden", "for=1.1.1.1", "1.1.1.1, \u{e9}"] {
            assert_eq!(x("10.0.0.1", &[header]), "10.0.0.1", "{header}");
        }
        for header in [
            "",
            "for=2.2.2.2;for=1.1.1.1",
            "for=1.1.1.1;host=a;For=2.2.2.2",
            "for=unknown",
            "for=1.1.1.1, proto=http",
            "for=1.1.1.1, nonsense",
        ] {
            assert_eq!(rfc("10.0.0.1", &[header]), "10.0.0.1", "{header}");
        }
        assert_eq!(x("10.0.0.1", &["10.9.0.1"]), "10.9.0.1");
        assert_eq!(x("10.0.0.1", &[]), "10.0.0.1");
    }
}
