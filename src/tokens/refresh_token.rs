//! The refresh token's form: `cr1_` + base64url(mac-key id ‖ session id ‖ generation ‖ HMAC-SHA-256 tag). It names a
//! session and a generation, and the tag makes it unforgeable; nothing that could be replayed is stored.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::SessionId;
use crate::keys::{KeyError, MacKeys};

const PREFIX: &str = "cr1_";
const SESSION: usize = 16;
const GENERATION: usize = 4;
const TAG: usize = 32;
/// Mac-key id, session and generation: what the tag covers.
const BODY: usize = 1 + SESSION + GENERATION;

/// One refresh token of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The login it descends from.
    pub session: SessionId,
    /// How often that session's token had been exchanged when this one was issued.
    pub generation: u32,
}

impl RefreshToken {
    /// The token after this one; none after the last of four thousand million.
    pub fn successor(self) -> Option<Self> {
        Some(Self { generation: self.generation.checked_add(1)?, ..self })
    }

    /// As the client holds it. The same token has the same text, always.
    pub fn encode(self, keys: &MacKeys) -> Result<String, KeyError> {
        let key = keys.newest().ok_or(KeyError::Empty)?;
        let mut bytes = Vec::with_capacity(BODY + TAG);
        bytes.push(key.id());
        bytes.extend(self.session.as_bytes());
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(key.tag(&bytes));
        let mut text = PREFIX.to_owned();
        BASE64_URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
        Ok(text)
    }

    /// Reads a text that one of the keys vouches for.
    pub fn decode(text: &str, keys: &MacKeys) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
        if bytes.len() != BODY + TAG {
            return None;
        }
        let (body, tag) = bytes.split_at(BODY);
        let (&id, rest) = body.split_first()?;
        if !keys.find(id)?.verify(body, tag) {
            return None;
        }
        let (session, generation) = rest.split_at(SESSION);
        Some(Self {
            session: SessionId::from_bytes(session)?,
            generation: u32::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::MacKey;
    use proptest::prelude::*;

    fn keys(ids: &[u8]) -> MacKeys {
        MacKeys::new(ids.iter().map(|id| MacKey::from_bytes(*id, &[*id; 32]).unwrap()).collect())
    }

    fn token(session: [u8; 16], generation: u32) -> RefreshToken {
        RefreshToken { session: SessionId::from_bytes(&session).unwrap(), generation }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(session: [u8; 16], generation: u32, id: u8) {
            let token = token(session, generation);
            let text = token.encode(&keys(&[id])).unwrap();
            prop_assert_eq!(text.len(), 75);
            prop_assert_eq!(RefreshToken::decode(&text, &keys(&[id])), Some(token));
        }

        #[test]
        fn every_changed_character_is_refused(
            session: [u8; 16], generation: u32, place in 0usize..75, other in "[A-Za-z0-9_=+/ .-]",
        ) {
            let text = token(session, generation).encode(&keys(&[1])).unwrap();
            let mut changed = text.clone();
            changed.replace_range(place..=place, &other);
            prop_assume!(changed != text);
            prop_assert_eq!(RefreshToken::decode(&changed, &keys(&[1])), None);
        }

        #[test]
        fn arbitrary_text_is_no_token(text in ".{0,120}", tail in "[A-Za-z0-9_-]{0,90}") {
            prop_assert_eq!(RefreshToken::decode(&text, &keys(&[1])), None);
            prop_assert_eq!(RefreshToken::decode(&format!("cr1_{tail}"), &keys(&[1])), None);
        }

        #[test]
        fn an_older_mac_key_still_verifies_and_a_foreign_one_never(session: [u8; 16], generation: u32) {
            let text = token(session, generation).encode(&keys(&[1])).unwrap();
            prop_assert!(RefreshToken::decode(&text, &keys(&[1, 2])).is_some());
            prop_assert!(RefreshToken::decode(&text, &keys(&[2])).is_none());
            let foreign = MacKeys::new(vec![MacKey::from_bytes(1, &[9; 32]).unwrap()]);
            prop_assert!(RefreshToken::decode(&text, &foreign).is_none());
        }
    }
}
