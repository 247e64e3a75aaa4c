//! Recovery codes: each logs in once in place of an app's code. Stored as SHA-256, which suffices for 80 random bits, of
//! the user's id with them, so that whoever has the hashes must guess at each user's alone.

use rand::seq::IndexedRandom;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Crockford's base 32: what looks alike is the same letter.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Of five bits each.
const LENGTH: usize = 16;
/// They are shown in groups of so many.
const GROUP: usize = 4;
/// How many a user gets.
const COUNT: usize = 10;

/// One code.
#[derive(Clone, Debug)]
pub struct RecoveryCode(SecretString);

impl RecoveryCode {
    /// A new set.
    pub fn generate() -> Vec<Self> {
        let mut random = rand::rng();
        let mut sign = || char::from(*ALPHABET.choose(&mut random).unwrap_or(&b'0'));
        (0..COUNT).map(|_| Self((0..LENGTH).map(|_| sign()).collect::<String>().into())).collect()
    }

    /// Reads what somebody typed, whatever the case and however it is spaced.
    pub fn parse(text: &str) -> Option<Self> {
        let separates = |sign: &char| sign.is_whitespace() || matches!(sign, '-' | '–' | '—');
        let signs =
            text.chars().filter(|sign| !separates(sign)).map(|sign| match sign.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            });
        let code: String = signs.take(LENGTH + 1).collect();
        let is_code = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then(|| Self(code.into()))
    }

    /// As the user writes it down.
    pub fn shown(&self) -> String {
        let signs: Vec<_> = self.0.expose_secret().chars().collect();
        signs.chunks(GROUP).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
    }

    /// As it is stored.
    pub fn hash(&self, user_id: &str) -> Vec<u8> {
        let digest = Sha256::new_with_prefix(user_id).chain_update([0]).chain_update(self.0.expose_secret());
        digest.finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ten_codes_differ_and_are_read_back_however_they_are_typed() {
        let codes = RecoveryCode::generate();
        let hashes: HashSet<_> = codes.iter().map(|code| code.hash("alice")).collect();
        assert_eq!(hashes.len(), 10);
        for code in codes {
            let shown = code.shown();
            assert_eq!(shown.len(), 19);
            for typed in [
                shown.to_lowercase(),
                shown.replace('-', " "),
                shown.replace('-', ""),
                shown.replace('0', "o").replace('1', "l"),
                format!(" {} ", shown.replace('1', "I")),
            ] {
                assert_eq!(RecoveryCode::parse(&typed).unwrap().hash("alice"), code.hash("alice"));
            }
            assert_ne!(code.hash("alice"), code.hash("bob"));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_code_of_sixteen_signs_or_none(text in "\\PC{0,40}|[0-9a-zA-Z -]{14,22}") {
            if let Some(code) = RecoveryCode::parse(&text) {
                prop_assert_eq!(code.shown().len(), 19);
                prop_assert_eq!(RecoveryCode::parse(&code.shown()).unwrap().hash("a"), code.hash("a"));
            }
        }
    }
}
