//! Usernames: PRECIS `UsernameCaseMapped` (RFC 8265 section 3.3), so that variants of case, width and composition
//! are one account, and characters that only look alike by compatibility are refused.

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{UsernameCaseMapped, precis_core};

const MAX_BYTES: usize = 255;

/// The form under which a username is unique; none when it is no username.
pub fn canonical(name: &str) -> Option<String> {
    // The raw length first: mapping costs time.
    if name.len() > MAX_BYTES {
        return None;
    }
    let mapped = UsernameCaseMapped::enforce(name).ok()?;
    // A few old letters (Cherokee) map to ones that are refused: whoever typed those could never log in.
    let stable = UsernameCaseMapped::enforce(&*mapped).is_ok_and(|again| again == mapped);
    (stable && mapped.len() <= MAX_BYTES).then(|| mapped.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_one_account() {
        for (one, other) in
            [("alice", "ALICE"), ("Straße", "straße"), ("ａｌｉｃｅ", "alice"), ("é", "e\u{301}")]
        {
            assert_eq!(canonical(one), canonical(other), "{one} {other}");
            assert!(canonical(one).is_some());
        }
        assert!(canonical("ann.o'neil+tag@example.com").is_some());
    }

    proptest::proptest! {
        #[test]
        fn the_canonical_form_is_its_own(name in "\\PC{1,20}") {
            if let Some(key) = canonical(&name) {
                proptest::prop_assert_eq!(canonical(&key), Some(key));
            }
        }
    }

    #[test]
    fn spaces_controls_and_ligatures_are_no_username() {
        for bad in ["", "a b", "a\u{0}", "ﬁ", "a\u{200b}b", "a\n", "\u{13a0}"] {
            assert_eq!(canonical(bad), None, "{bad:?}");
        }
        assert_eq!(canonical(&"a".repeat(256)), None);
    }
}
