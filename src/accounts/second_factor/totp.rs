//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, six digits, 30 seconds.

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use rand::Rng;
use serde::Serialize;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use crate::clock::Timestamp;

/// In bytes: 160 bits (RFC 4226 section 4).
const LENGTH: usize = 20;
/// Of a QR code's side in pixels, at the least; it is drawn to scale.
const QR_SIDE: u32 = 200;

/// What an app and the issuer share.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret")
    }
}

/// What an app needs to make codes. Not `Debug`: all of it is secret.
#[derive(Serialize)]
pub struct Enrolment {
    /// In base32, to be typed.
    secret: String,
    /// `otpauth://…`, to be opened by an app on the same device.
    uri: String,
    /// The same as a QR code, to be scanned.
    qr_svg: String,
}

impl TotpSecret {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new(vec![0; LENGTH]);
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// One that was stored.
    pub const fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// For storing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The step whose code this is: the present one, or one beside it, since clocks differ and people are slow.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let digits: String = code.chars().filter(|sign| !sign.is_whitespace()).collect();
        let now = u64::try_from(now.as_unix()).ok()?;
        self.totp("", "").check(&digits, now).and_then(|step| i64::try_from(step).ok())
    }

    /// For an app that shows both names.
    pub fn enrol(&self, issuer: &str, username: &str) -> Result<Enrolment, String> {
        let totp = self.totp(issuer, username);
        let uri = totp.to_url().map_err(|error| error.to_string())?;
        // The level with the most room: the longest username fits.
        let code =
            QrCode::with_error_correction_level(&uri, EcLevel::L).map_err(|error| error.to_string())?;
        let qr_svg = code.render::<svg::Color>().min_dimensions(QR_SIDE, QR_SIDE).build();
        Ok(Enrolment { secret: totp.secret().to_base32(), uri, qr_svg })
    }

    fn totp(&self, issuer: &str, username: &str) -> Totp {
        // The colon separates the two.
        let label = |text: &str| text.replace(':', " ");
        let builder = Builder::new().with_secret(self.as_bytes());
        builder.with_issuer(Some(label(issuer))).with_account_name(label(username)).build_noncompliant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(bytes: &[u8]) -> TotpSecret {
        TotpSecret::from_bytes(Zeroizing::new(bytes.to_vec()))
    }

    #[test]
    fn the_codes_of_rfc_6238_are_right() {
        // Appendix B, the last six digits.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let step = secret(b"12345678901234567890").step_of(code, Timestamp::from_unix(time));
            assert_eq!(step, Some(time / 30));
        }
    }

    #[test]
    fn an_app_is_told_everything_whatever_the_names_are() {
        for name in ["alice", "a:b&c=d#e/é", &"\u{20000}".repeat(63)] {
            let enrolment = secret(&[7; LENGTH]).enrol("Example: one & two", name).unwrap();
            let read = Totp::from_url(&enrolment.uri).unwrap();
            assert_eq!(read.account_name(), name.replace(':', " "));
            assert_eq!(read.issuer(), Some("Example  one & two"));
            assert_eq!(read.secret().to_base32(), enrolment.secret);
            assert!(enrolment.qr_svg.contains("<svg"));
        }
    }

    proptest! {
        #[test]
        fn a_code_is_good_one_step_early_and_late_and_no_longer(bytes: [u8; LENGTH], now in 100_i64..4_000_000_000) {
            let secret = secret(&bytes);
            let code = secret.totp("", "").generate(u64::try_from(now).unwrap()).to_string();
            let spaced = format!(" {} {} ", &code[..3], &code[3..]);
            for late in [-30, 0, 30] {
                let step = secret.step_of(&spaced, Timestamp::from_unix(now + late));
                // One code in a million is that of a step nearby, too.
                prop_assert!(step.is_some_and(|step| (step - now / 30).abs() <= 2));
            }
            let far = secret.step_of(&code, Timestamp::from_unix(now + 60));
            prop_assert!(far.is_none_or(|step| step > now / 30));
        }

        #[test]
        fn what_is_no_code_is_refused(text in "\\PC{0,12}") {
            prop_assume!(text.chars().filter(|sign| !sign.is_whitespace()).count() != 6);
            prop_assert_eq!(secret(&[1; LENGTH]).step_of(&text, Timestamp::from_unix(1_800_000_000)), None);
        }
    }
}
