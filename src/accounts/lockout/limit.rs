//! What guesses are counted for.

/// What wrong guesses are counted for.
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
    /// New accounts, from one network, be they made or not.
    SignUp,
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
        Self::SignUp,
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
            Self::SignUp => "sign_up",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Network => "from this network",
            Self::AccountFromNetwork => "at this account from this network",
            Self::Account => "at this account",
            Self::Client => "at this client's secret from this network",
            Self::Confirmation => "in this session",
            Self::CodeFromNetwork => "at this user's codes from this network",
            Self::Code => "at this user's codes",
            Self::SignUp => "at new accounts from this network",
        })
    }
}
