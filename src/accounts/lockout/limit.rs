//! What is counted.

/// What wrong guesses are counted for, and what else is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// All accounts, from one network.
    Network,
    /// One account, from one network.
    AccountFromNetwork,
    /// One account, from everywhere.
    Account,
    /// One client, from one network.
    Client,
    /// The password that is asked for again, in one session.
    Confirmation,
    /// The codes of one user, from one network.
    CodeFromNetwork,
    /// The codes of one user, from everywhere.
    Code,
    /// New passwords, from one network, be they taken or not.
    NewPassword,
}

impl Limit {
    pub(super) const ALL: [Self; 8] = [
        Self::Network,
        Self::AccountFromNetwork,
        Self::Account,
        Self::Client,
        Self::Confirmation,
        Self::CodeFromNetwork,
        Self::Code,
        Self::NewPassword,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::AccountFromNetwork => "account_from_network",
            Self::Account => "account",
            Self::Client => "client",
            Self::Confirmation => "confirmation",
            Self::CodeFromNetwork => "code_from_network",
            Self::Code => "code",
            Self::NewPassword => "new_password",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Network => "wrong guesses from this network",
            Self::AccountFromNetwork => "wrong guesses at this account from this network",
            Self::Account => "wrong guesses at this account",
            Self::Client => "wrong guesses at this client's secret from this network",
            Self::Confirmation => "wrong guesses in this session",
            Self::CodeFromNetwork => "wrong guesses at this user's codes from this network",
            Self::Code => "wrong guesses at this user's codes",
            Self::NewPassword => "new passwords from this network",
        })
    }
}
