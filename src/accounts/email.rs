//! E-mail addresses: whether a text may be one. Nobody has proved that it is theirs, or that it takes mail.

/// RFC 5321 section 4.5.3.1.3.
const MAX_BYTES: usize = 254;

/// Whether something stands on both sides of an `@`, and nothing that ends a line or a word.
pub fn is_address(text: &str) -> bool {
    let is_plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    let parts = text.rsplit_once('@');
    text.len() <= MAX_BYTES && parts.is_some_and(|(local, domain)| is_plain(local) && is_plain(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_two_plain_parts() {
        for good in ["a@b", "alice+tag@example.com", "ö@exämple.com", "\"a@b\"@example.com"] {
            assert!(is_address(good), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in ["", "@", "alice", "alice@", "@example.com", "a b@c", "a@b\r\nBcc: c@d", "a@b\0", &long] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }
}
