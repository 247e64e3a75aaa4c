//! Who may have tokens: users and clients, their secrets, and what each is allowed. Called by `oauth` and the CLI.

pub mod claims;
pub mod clients;
pub mod email;
pub mod fitness;
mod grant;
pub mod hashes;
mod hashing;
pub mod lockout;
mod memory;
mod metrics;
pub mod password;
pub mod scope;
pub mod second_factor;
pub mod secret;
pub mod self_service;
pub mod transfer;
pub mod username;
pub mod users;

pub use claims::ExtraClaims;
pub use clients::Client;
pub use grant::Grant;
pub use metrics::HasherMetrics;
pub use scope::Scopes;
pub use users::User;

use crate::store::StoreError;

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is one of this name already.
    #[error("{0} exists already")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no {0}")]
    NotFound(String),
    /// What was asked for contradicts itself or a rule.
    #[error("{0}")]
    Invalid(String),
}

/// An unfit stored value: somebody wrote to the database by other means.
fn corrupt(what: &str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {problem}"))
}
