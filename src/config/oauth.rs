//! Section `oauth`.

use super::reader::Reader;

/// The protocol's options.
#[derive(Clone, Debug)]
pub struct OAuthSettings {
    /// The public client meant by a password request that names none.
    pub default_client: Option<String>,
}

impl OAuthSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { default_client: reader.text("oauth.default_client") }
    }
}
