//! What a page shows besides its cookie (`X-CSRF-Token`), to prove that it could read an answer of ours: an HMAC of the
//! session. Other sites' pages have the browser send the cookie, but cannot read this.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::SessionId;
use crate::keys::{KeyError, MacKeys};

/// Nothing else that these keys authenticate begins so: refresh tokens begin with a key's id, and then differ in length.
const PURPOSE: &[u8] = b"chancery csrf token\0";
const TAG: usize = 32;

/// The token of a session, as long as the key is there.
pub fn encode(session: SessionId, keys: &MacKeys) -> Result<String, KeyError> {
    let key = keys.newest().ok_or(KeyError::Empty)?;
    let mut bytes = vec![key.id()];
    bytes.extend(key.tag(&message(session)));
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Whether a text is the session's token.
pub fn verify(text: &str, session: SessionId, keys: &MacKeys) -> bool {
    let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(text) else { return false };
    match bytes.split_first() {
        Some((id, tag)) if tag.len() == TAG => {
            keys.find(*id).is_some_and(|key| key.verify(&message(session), tag))
        }
        _ => false,
    }
}

fn message(session: SessionId) -> Vec<u8> {
    [PURPOSE, session.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys::MacKey;

    fn keys(ids: &[u8]) -> MacKeys {
        MacKeys::new(ids.iter().map(|id| MacKey::from_bytes(*id, &[*id; 32]).unwrap()).collect())
    }

    fn session(bytes: [u8; 16]) -> SessionId {
        SessionId::from_bytes(&bytes).unwrap()
    }

    proptest! {
        #[test]
        fn a_token_is_its_sessions_and_no_others(one: [u8; 16], other: [u8; 16]) {
            let text = encode(session(one), &keys(&[1])).unwrap();
            prop_assert!(verify(&text, session(one), &keys(&[1, 2])));
            prop_assert!(!verify(&text, session(one), &keys(&[2])));
            prop_assert_eq!(verify(&text, session(other), &keys(&[1])), one == other);
        }

        #[test]
        fn no_other_text_is_one(bytes: [u8; 16], text in ".{0,60}", place in 0..44_usize, other in "[A-Za-z0-9_-]") {
            prop_assert!(!verify(&text, session(bytes), &keys(&[1])));
            let good = encode(session(bytes), &keys(&[1])).unwrap();
            let mut changed = good.clone();
            changed.replace_range(place..=place, &other);
            prop_assert_eq!(verify(&changed, session(bytes), &keys(&[1])), changed == good);
        }
    }

    #[test]
    fn a_refresh_token_is_no_csrf_token() {
        let token = crate::tokens::RefreshToken { session: session([7; 16]), generation: 0 };
        let text = token.encode(&keys(&[1])).unwrap();
        assert!(!verify(text.trim_start_matches("cr1_"), session([7; 16]), &keys(&[1])));
    }
}
