//! Section `limits`.

use std::time::Duration;

use super::reader::Reader;

/// How many wrong guesses at a secret are taken, for which right ones count for nothing, and how many new passwords.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// In a row at one account (or client), from one network; 0: any number.
    pub attempts: u32,
    /// In a row at one account, from everywhere; 0: any number.
    pub account_attempts: u32,
    /// At all accounts, from one network; 0: any number.
    pub address_attempts: u32,
    /// After how long one of `address_attempts` is forgiven.
    pub address_interval: Duration,
    /// Passwords, of new accounts and of old ones, that one network may choose at once; 0: any number.
    pub new_passwords: u32,
    /// After how long it may choose one more.
    pub new_password_interval: Duration,
    /// Sessions that one user may have; 0: any number. One more ends the one that was unused for longest.
    pub sessions: u32,
    /// The longest that the next guess at an account must wait.
    pub longest_delay: Duration,
}

impl LimitSettings {
    pub(super) fn read(reader: &mut Reader) -> Self {
        const MOST: u32 = 1_000_000;
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            attempts: reader.number("limits.attempts", 0, MOST).unwrap_or(0),
            account_attempts: reader.number("limits.account_attempts", 0, MOST).unwrap_or(0),
            address_attempts: reader.number("limits.address_attempts", 0, MOST).unwrap_or(0),
            address_interval: reader.duration("limits.address_interval", Duration::from_secs(1), DAY),
            new_passwords: reader.number("limits.new_passwords", 0, MOST).unwrap_or(0),
            new_password_interval: reader.duration(
                "limits.new_password_interval",
                Duration::from_secs(1),
                DAY,
            ),
            sessions: reader.number("limits.sessions", 0, MOST).unwrap_or(0),
            longest_delay: reader.duration("limits.longest_delay", Duration::from_secs(2), DAY),
        }
    }
}
