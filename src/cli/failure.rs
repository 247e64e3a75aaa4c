//! Why a command failed: one line that says what is wrong and how to mend it, and the exit code.

use std::process::ExitCode;

use super::output::safe;
use crate::accounts::AccountError;
use crate::accounts::password::HashError;
use crate::app::StartError;
use crate::config::Invalid;
use crate::keys::KeyError;
use crate::store::StoreError;

/// For `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  the command line or the settings are wrong
  3  there is no such user, client, session or key
  4  there is one of that name already
  5  too early: the next signing key is not known to every verifier yet
  6  done but for some lines of the file";

/// A failed command.
#[derive(Debug)]
pub enum Failure {
    /// It could not be done.
    Failed(String),
    /// It was asked for wrongly.
    Usage(String),
    /// Its object does not exist.
    NotFound(String),
    /// Its object exists already.
    Exists(String),
    /// The interlock refused.
    TooEarly(String),
    /// Some of it could not be done.
    Partly(String),
}

impl Failure {
    /// See [`EXIT_CODES`].
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Exists(_) => 4,
            Self::TooEarly(_) => 5,
            Self::Partly(_) => 6,
        })
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Failed(text)
        | Self::Usage(text)
        | Self::NotFound(text)
        | Self::Exists(text)
        | Self::TooEarly(text)
        | Self::Partly(text)) = self;
        f.write_str(&safe(text))
    }
}

impl From<Invalid> for Failure {
    fn from(error: Invalid) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NoIssuer => Self::Usage(error.to_string()),
            StartError::Keys(error) => error.into(),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<AccountError> for Failure {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::Store(_) => Self::Failed(text),
            AccountError::Taken(_) => Self::Exists(text),
            AccountError::NotFound(_) => Self::NotFound(text),
            AccountError::Invalid(_) => Self::Usage(text),
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::TooEarly(_) => Self::TooEarly(error.to_string()),
            KeyError::NotFound(_) => Self::NotFound(error.to_string()),
            KeyError::Exists { .. } => Self::Exists(error.to_string()),
            KeyError::Unusable(_) => Self::Usage(error.to_string()),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<HashError> for Failure {
    fn from(error: HashError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
