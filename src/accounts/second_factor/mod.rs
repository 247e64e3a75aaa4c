//! The second factor: codes of an authenticator app, and recovery codes for the day it is lost. Called by `oauth`, which
//! has the keys that the app's secret is sealed under.

mod changes;
mod recovery_code;
mod totp;

pub use changes::{Outcome, Proposal, confirm, is_on, propose, replace_recovery_codes, reset, turn_off};
pub use recovery_code::RecoveryCode;
pub use totp::{Enrolment, TotpSecret};

use crate::store::{Conn, StoreError, totp as table};

/// A right code, to be spent in the transaction of what it is for: each is accepted once, on all instances together.
#[derive(Clone)]
pub enum Factor {
    /// An app's code. Codes of older steps are void from then on.
    Step {
        /// Of 30 seconds, since the Unix epoch.
        step: i64,
        /// When that app was confirmed, in Unix seconds: another one's code is no good.
        confirmed_at: Option<i64>,
    },
    /// The hash of a recovery code.
    RecoveryCode(Vec<u8>),
}

impl Factor {
    /// Spends it; false when somebody was first.
    pub fn spend(&self, conn: &mut Conn, user_id: &str) -> Result<bool, StoreError> {
        match self {
            Self::Step { step, confirmed_at } => table::spend_step(conn, user_id, *step, *confirmed_at),
            Self::RecoveryCode(hash) => table::spend_recovery_code(conn, user_id, hash),
        }
    }

    /// How a user authenticated who has also shown this (RFC 8176).
    pub const fn amr(&self) -> &'static str {
        match self {
            Self::Step { .. } => "pwd otp mfa",
            Self::RecoveryCode(_) => "pwd mfa",
        }
    }
}
