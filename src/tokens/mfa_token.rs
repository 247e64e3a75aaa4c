//! What a user gets for the password who still has to show a code: `cm1_` + base64url(mac-key id ‖ login ‖ HMAC-SHA-256
//! tag), where the login is JSON. Nothing is stored: it is good on every instance, for a few minutes, as long as the
//! password is the same, and for nothing without a code, which works once.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::keys::{KeyError, MacKeys};

/// How long a user has to find the app.
pub const LIFETIME: Duration = Duration::from_secs(300);

const PREFIX: &str = "cm1_";
/// Nothing else that these keys authenticate begins so: refresh tokens begin with a key's id, and then differ in length.
const PURPOSE: &[u8] = b"chancery mfa token\0";
const TAG: usize = 32;

/// A login that lacks a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MfaToken {
    /// Whose password was right.
    pub user_id: String,
    /// Which client sent it.
    pub client_id: String,
    /// Whether it came from a page whose browser keeps the refresh token.
    pub in_browser: bool,
    /// The scope that was asked for, as sent.
    pub scope: Option<String>,
    /// The resources that were asked for (RFC 8707).
    pub resource: Vec<String>,
    /// The password's, from [`mark`].
    pub password: String,
    /// Unix seconds.
    pub expires_at: i64,
}

impl MfaToken {
    /// Whether the password is still the one that was right.
    pub fn is_of(&self, password_hash: &str) -> bool {
        self.password == mark(password_hash)
    }

    /// As the client holds it.
    pub fn encode(&self, keys: &MacKeys) -> Result<String, KeyError> {
        let key = keys.newest().ok_or(KeyError::Empty)?;
        let mut bytes = vec![key.id()];
        serde_json::to_writer(&mut bytes, self).map_err(|error| KeyError::Crypto(error.to_string()))?;
        bytes.extend(key.tag(&message(&bytes)));
        Ok(PREFIX.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a text that one of the keys vouches for, and that has not expired.
    pub fn decode(text: &str, keys: &MacKeys, now: Timestamp) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        let (&id, login) = body.split_first()?;
        if !keys.find(id)?.verify(&message(body), tag) {
            return None;
        }
        let token: Self = serde_json::from_slice(login).ok()?;
        (now.as_unix() < token.expires_at).then_some(token)
    }
}

fn message(body: &[u8]) -> Vec<u8> {
    [PURPOSE, body].concat()
}

/// What changes with the password. A hash is salted: its digest tells nothing, and least to who knows the password.
pub fn mark(password_hash: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(password_hash)[..16])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::MacKey;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn keys(ids: &[u8]) -> MacKeys {
        MacKeys::new(ids.iter().map(|id| MacKey::from_bytes(*id, &[*id; 32]).unwrap()).collect())
    }

    fn token(user_id: &str) -> MfaToken {
        MfaToken {
            user_id: user_id.to_owned(),
            client_id: "web".to_owned(),
            in_browser: false,
            scope: None,
            resource: Vec::new(),
            password: mark("hash"),
            expires_at: (NOW + LIFETIME).as_unix(),
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself_until_it_expires(user_id in "\\PC{1,40}", id: u8, age in 0_u64..1000) {
            let text = token(&user_id).encode(&keys(&[id])).unwrap();
            let later = NOW + Duration::from_secs(age);
            let read = MfaToken::decode(&text, &keys(&[id]), later);
            prop_assert!(read == (age < 300).then(|| token(&user_id)));
            prop_assert!(MfaToken::decode(&text, &keys(&[id.wrapping_add(1)]), NOW).is_none());
        }

        #[test]
        fn every_changed_character_is_refused(place in 0_usize..200, other in "[A-Za-z0-9_=+/ .-]") {
            let text = token("a").encode(&keys(&[1])).unwrap();
            let mut changed = text.clone();
            changed.replace_range(place..=place, &other);
            prop_assume!(changed != text);
            prop_assert!(MfaToken::decode(&changed, &keys(&[1]), NOW).is_none());
        }

        #[test]
        fn arbitrary_text_is_no_token(text in "\\PC{0,120}", tail in "[A-Za-z0-9_-]{0,90}") {
            prop_assert!(MfaToken::decode(&text, &keys(&[1]), NOW).is_none());
            let short = format!("cm1_{tail}");
            prop_assert!(MfaToken::decode(&short, &keys(&[1]), NOW).is_none());
        }
    }

    #[test]
    fn it_is_spent_by_another_password() {
        assert!(token("a").is_of("hash"));
        assert!(!token("a").is_of("another"));
    }

    #[test]
    fn a_tag_that_was_made_for_something_else_is_refused() {
        let key = MacKey::from_bytes(1, &[1; 32]).unwrap();
        let mut bytes = vec![1];
        serde_json::to_writer(&mut bytes, &token("a")).unwrap();
        bytes.extend(key.tag(&bytes));
        let text = format!("cm1_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        assert!(MfaToken::decode(&text, &keys(&[1]), NOW).is_none());
    }
}
