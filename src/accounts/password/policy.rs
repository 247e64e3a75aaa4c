//! Which new passwords users may choose (NIST SP 800-63B section 3.1.1.2): long enough, on no list of common ones, and not
//! soon guessed by whoever knows the user's names. Nothing is asked of their composition, and what is stored already is not
//! judged.

use secrecy::ExposeSecret;
use zxcvbn::matching::patterns::MatchPattern;
use zxcvbn::{Entropy, zxcvbn};

use super::Password;
use crate::config::AccountSettings;

/// How much of a password is judged, in characters. The estimate's time grows steeply with the length: of the worst
/// passwords, this much takes several times as long as to hash one.
const JUDGED: usize = 32;

/// Why a new password is not taken, for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Weakness(String);

impl Weakness {
    /// What is wrong with it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is asked of new passwords.
#[derive(Clone, Debug)]
pub struct PasswordPolicy {
    min_length: usize,
    min_score: u32,
}

impl PasswordPolicy {
    /// As it is set.
    pub fn of(settings: &AccountSettings) -> Self {
        Self { min_length: settings.min_password_length as usize, min_score: settings.min_password_score }
    }

    /// All that is asked. Takes time.
    pub fn check(&self, password: &Password, names: &[String]) -> Result<(), Weakness> {
        self.check_length(password)?;
        self.check_strength(password, names)
    }

    /// Whether it has enough characters.
    pub fn check_length(&self, password: &Password) -> Result<(), Weakness> {
        if password.nfc.expose_secret().chars().count() >= self.min_length {
            return Ok(());
        }
        Err(Weakness(format!("the password must have at least {} characters", self.min_length)))
    }

    /// Whether it takes enough guesses, the first of which are the user's names. Takes time: for the hashing threads.
    pub fn check_strength(&self, password: &Password, names: &[String]) -> Result<(), Weakness> {
        let judged = start(password.nfc.expose_secret());
        let names: Vec<_> = names.iter().flat_map(|name| parts(name)).map(start).collect();
        let entropy = zxcvbn(judged, &names);
        // A listed word is refused whatever the score, also when that is not asked for.
        if u32::from(u8::from(entropy.score())) >= self.min_score && !is_listed(&entropy) {
            return Ok(());
        }
        Err(Weakness(explain(&entropy)))
    }
}

/// A name and, of an e-mail address, what stands before the `@`.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    std::iter::once(name).chain(name.rsplit_once('@').map(|(local, _)| local))
}

fn start(text: &str) -> &str {
    text.char_indices().nth(JUDGED).map_or(text, |(end, _)| &text[..end])
}

/// Whether it is nothing but one word of a list or one of the names.
fn is_listed(entropy: &Entropy) -> bool {
    matches!(entropy.sequence(), [only] if matches!(only.pattern, MatchPattern::Dictionary(_)))
}

fn explain(entropy: &Entropy) -> String {
    let mut text = "the password is too easy to guess".to_owned();
    if let Some(feedback) = entropy.feedback() {
        let warning = feedback.warning().map(|warning| warning.to_string());
        let sentences = warning.into_iter().chain(feedback.suggestions().iter().map(ToString::to_string));
        sentences.for_each(|sentence| text.extend([". ", sentence.trim_end_matches('.')]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str, min_score: u32) -> Result<(), Weakness> {
        let names = ["aurelian".to_owned(), "a.quint@example.com".to_owned()];
        PasswordPolicy { min_length: 8, min_score }.check(&Password::parse(text).unwrap(), &names)
    }

    #[test]
    fn common_passwords_names_and_patterns_are_refused() {
        for weak in [
            "password",
            "P@ssw0rd",
            "12345678",
            "qwertyuiop",
            "aurelian",
            "Aurelian1",
            "a.quint1",
            "abababababab",
        ] {
            assert!(judge(weak, 2).is_err(), "{weak}");
        }
        for good in ["correct horse battery staple", "kJ8#bq2x", "päßwort mit größe", "只要够长就是好密码"]
        {
            assert_eq!(judge(good, 2), Ok(()), "{good}");
        }
    }

    #[test]
    fn without_a_score_only_what_is_listed_is_refused() {
        for listed in ["password", "PASSWORD", "p@ssw0rd", "aurelian", "a.quint@example.com"] {
            assert!(judge(listed, 0).is_err(), "{listed}");
        }
        assert_eq!(judge("abababababab", 0), Ok(()));
    }

    #[test]
    fn a_length_is_counted_in_characters_and_has_no_other_end_than_that_of_all_passwords() {
        assert!(judge("kJ8#bq2", 0).unwrap_err().to_string().contains("at least 8 characters"));
        assert!(judge("éééééé7", 0).is_err());
        assert_eq!(judge(&"correct horse battery staple, ".repeat(34), 4), Ok(()));
    }

    #[test]
    fn a_long_name_that_is_the_password_is_found_out() {
        let name = "quousque tandem abutere catilina patientia nostra";
        let policy = PasswordPolicy { min_length: 8, min_score: 4 };
        let password = Password::parse(name).unwrap();
        assert!(policy.check_strength(&password, &[name.to_owned()]).is_err());
    }

    #[test]
    fn walks_over_the_keyboard_do_not_make_it_panic() {
        for walk in ["1212121212121212", "4848484848484848", "qwqwqwqwqwqwqwqw"] {
            assert!(judge(&walk.repeat(2), 2).is_err(), "{walk}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_password_makes_it_panic(text in "\\PC{1,40}", name in "\\PC{0,40}") {
            let password = Password::parse(&text).unwrap();
            let _ = PasswordPolicy { min_length: 1, min_score: 4 }.check_strength(&password, &[name]);
        }
    }
}
