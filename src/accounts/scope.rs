//! Scopes: sets of RFC 6749 section 3.3 scope tokens, in the order in which they were given.

use std::fmt;

const MAX_SCOPES: usize = 100;

/// A set of scope tokens, possibly empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads tokens separated by spaces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scopes = Vec::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !token.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(
                    "a scope has printable ASCII characters but \" and \\ (RFC 6749 section 3.3)".to_owned()
                );
            }
            if scopes.len() == MAX_SCOPES {
                return Err(format!("there are more than {MAX_SCOPES} scopes"));
            }
            if !scopes.iter().any(|known| known == token) {
                scopes.push(token.to_owned());
            }
        }
        Ok(Self(scopes))
    }

    /// Whether every one of these is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.iter().all(|scope| other.0.contains(scope))
    }

    /// Those of these that are in `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|scope| other.0.contains(scope)).cloned().collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_set_of_printable_tokens() {
        assert_eq!(Scopes::parse(" a  b a ").unwrap().to_string(), "a b");
        for bad in ["a\"b", "a\\b", "é", "a\tb", "a\nb"] {
            assert!(Scopes::parse(bad).is_err(), "{bad}");
        }
    }
}
