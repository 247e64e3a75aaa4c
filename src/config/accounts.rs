//! Section `accounts`.

use super::reader::Reader;

/// What people may do by themselves, and which passwords they may choose.
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// Whether anybody may make an account.
    pub sign_up: bool,
    /// Characters that a new password must have.
    pub min_password_length: u32,
    /// zxcvbn's score that a new password must have; 0: any.
    pub min_password_score: u32,
}

impl AccountSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        // At least 64 characters must be allowed (NIST SP 800-63B section 3.1.1.2).
        let min_password_length = reader.number("accounts.min_password_length", 1, 64).unwrap_or(1);
        Self {
            sign_up: reader.flag("accounts.sign_up"),
            min_password_length,
            min_password_score: reader.number("accounts.min_password_score", 0, 4).unwrap_or(0),
        }
    }
}
