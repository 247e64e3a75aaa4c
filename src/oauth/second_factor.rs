//! The code that a login shows besides the password: looked at here, counted when it is wrong, and spent in the
//! transaction of what it is for.

use std::net::IpAddr;

use secrecy::ExposeSecret;

use super::login::is_familiar;
use super::request::Code;
use super::{Issuer, OAuthError, Reason};
use crate::accounts::lockout::Attempt;
use crate::accounts::second_factor::{Factor, RecoveryCode, TotpSecret};
use crate::store::Store;
use crate::store::totp::{self as table, TotpRow};

/// A code that was right a moment ago.
pub(super) struct Proof {
    /// To be spent.
    pub factor: Factor,
    /// To be ended as the spending ends. Dropped, it does not count.
    pub attempt: Attempt,
}

impl Issuer {
    /// Looks at a user's code; none: the user has no second factor, and any code will do.
    pub(super) async fn check_code(
        &self,
        store: &Store,
        user_id: &str,
        code: &Code,
        from: IpAddr,
    ) -> Result<Option<Proof>, OAuthError> {
        let id = user_id.to_owned();
        match store.read(move |conn| table::find_with_name(conn, &id)).await? {
            Some((row, name)) if row.confirmed_at.is_some() => {
                self.judge_code(store, &row, &name, code, from).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Looks at a code of an app that may still be unconfirmed, unless too many were wrong.
    pub(super) async fn judge_code(
        &self,
        store: &Store,
        row: &TotpRow,
        username_key: &str,
        code: &Code,
        from: IpAddr,
    ) -> Result<Proof, OAuthError> {
        let is_familiar = is_familiar(store, username_key, from);
        let attempt = self.lockout.admit_code(&row.user_id, from, is_familiar).await?;
        if let Some(factor) = self.factor(store, row, code).await? {
            return Ok(Proof { factor, attempt });
        }
        attempt.fail().await;
        Err(OAuthError::InvalidGrant(Reason::WrongCode))
    }

    /// What a code proves, if it is right.
    async fn factor(&self, store: &Store, row: &TotpRow, code: &Code) -> Result<Option<Factor>, OAuthError> {
        match code {
            Code::Otp(otp) => {
                let secret = self.keys.unseal_totp(&row.user_id, &row.sealed_secret)?;
                let step = TotpSecret::from_bytes(secret).step_of(otp.expose_secret(), self.clock.now());
                let is_new = |step: &i64| *step > row.last_step;
                Ok(step.filter(is_new).map(|step| Factor::Step { step, confirmed_at: row.confirmed_at }))
            }
            Code::Recovery(text) => {
                let Some(code) = RecoveryCode::parse(text.expose_secret()) else { return Ok(None) };
                let (user_id, hash) = (row.user_id.clone(), code.hash(&row.user_id));
                let sought = hash.clone();
                let find = move |conn: &mut _| table::has_recovery_code(conn, &user_id, &sought);
                Ok(store.read(find).await?.then_some(Factor::RecoveryCode(hash)))
            }
        }
    }
}
