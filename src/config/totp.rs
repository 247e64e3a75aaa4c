//! Section `totp`.

use url::Url;

use super::issuer::IssuerSettings;
use super::reader::Reader;

/// More do not fit into a QR code, nor onto a phone.
const MAX_NAME: usize = 64;

/// The second factor.
#[derive(Clone, Debug)]
pub struct TotpSettings {
    /// What authenticator apps call the issuer.
    pub issuer_name: String,
}

impl TotpSettings {
    pub(super) fn read(reader: &mut Reader, issuer: &IssuerSettings) -> Self {
        let named = reader.text("totp.issuer_name");
        if named.as_ref().is_some_and(|name| name.contains(':') || name.chars().count() > MAX_NAME) {
            reader.fault("totp.issuer_name", format!("must be at most {MAX_NAME} characters and no colon"));
        }
        Self { issuer_name: named.or_else(|| host(issuer)).unwrap_or_default() }
    }
}

fn host(issuer: &IssuerSettings) -> Option<String> {
    Some(Url::parse(issuer.url.as_deref()?).ok()?.host_str()?.to_owned())
}
