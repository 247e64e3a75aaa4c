//! What people do with their own second factor, in a browser that they are logged in with: set up an authenticator app,
//! get recovery codes, and turn it off.

use std::net::IpAddr;

use serde::Serialize;

use super::request::Code;
use super::second_factor::Proof;
use super::{Form, Issuer, LoggedIn, OAuthError, Reason};
use crate::accounts::second_factor::{self, Enrolment, Factor, Outcome, Proposal, RecoveryCode, TotpSecret};
use crate::store::totp as table;

/// Whether there is one.
#[derive(Debug, Serialize)]
pub struct TotpStatus {
    enabled: bool,
    recovery_codes_left: i64,
}

/// New ones, which are shown this once. Not `Debug`: they are secrets.
#[derive(Serialize)]
pub struct RecoveryCodes {
    recovery_codes: Vec<String>,
}

const ALREADY_ON: OAuthError =
    OAuthError::Conflict { code: "totp_enabled", problem: "the user has a second factor already" };
const NOT_ON: OAuthError =
    OAuthError::Conflict { code: "totp_not_enabled", problem: "the user has no second factor" };

impl Issuer {
    /// Whether the user has a second factor, and how much of it is left.
    pub async fn totp_status(&self, login: &LoggedIn) -> Result<TotpStatus, OAuthError> {
        let id = login.user.id.clone();
        let read =
            move |conn: &mut _| Ok((table::is_on(conn, &id)?, table::count_recovery_codes(conn, &id)?));
        let (enabled, recovery_codes_left) = self.store.unreserved().read(read).await?;
        Ok(TotpStatus { enabled, recovery_codes_left })
    }

    /// Makes a secret for an app. Logins do not ask for its codes before one was shown.
    pub async fn propose_totp(&self, login: &LoggedIn, form: &Form) -> Result<Enrolment, OAuthError> {
        let confirmation = self.confirm_password(login, form.require("password")?).await?;
        let secret = TotpSecret::generate();
        let enrolment = secret.enrol(&self.settings.totp.issuer_name, &login.user.username);
        let enrolment = enrolment.map_err(OAuthError::Internal)?;
        let sealed = self.keys.seal_totp(&login.user.id, secret.as_bytes()).await?;
        let proposal = Proposal { secret: sealed.text, ring_version: sealed.ring_version };
        let store = self.store.unreserved();
        made(second_factor::propose(&store, confirmation, proposal, self.clock.now()).await?)?;
        Ok(enrolment)
    }

    /// Turns the second factor on, once the app has shown the right code.
    pub async fn confirm_totp(
        &self,
        login: &LoggedIn,
        form: &Form,
        from: IpAddr,
    ) -> Result<RecoveryCodes, OAuthError> {
        let code = Code::Otp(form.require("otp")?.into());
        let (store, id) = (self.store.unreserved(), login.user.id.clone());
        let found = store.read(move |conn| table::find_with_name(conn, &id)).await?;
        let (row, name) = found.ok_or(NOT_ON)?;
        if row.confirmed_at.is_some() {
            return Err(ALREADY_ON);
        }
        let Proof { factor, attempt } = self.judge_code(&store, &row, &name, &code, from).await?;
        let Factor::Step { step, .. } = factor else {
            return Err(OAuthError::InvalidGrant(Reason::WrongCode));
        };
        let (session, codes) = (login.session.id.as_bytes().to_vec(), RecoveryCode::generate());
        made(second_factor::confirm(&store, row, session, step, &codes, self.clock.now()).await?)?;
        attempt.succeed().await;
        tell(login, "totp_enabled", "the user has a second factor: the other sessions are closed");
        Ok(RecoveryCodes::of(&codes))
    }

    /// Makes new recovery codes; the old ones are void.
    pub async fn replace_recovery_codes(
        &self,
        login: &LoggedIn,
        form: &Form,
        from: IpAddr,
    ) -> Result<RecoveryCodes, OAuthError> {
        let otp = Code::Otp(form.require("otp")?.into());
        let confirmation = self.confirm_password(login, form.require("password")?).await?;
        let store = self.store.unreserved();
        let proof = self.check_code(&store, &login.user.id, &otp, from).await?.ok_or(NOT_ON)?;
        let (codes, now) = (RecoveryCode::generate(), self.clock.now());
        let replaced =
            second_factor::replace_recovery_codes(&store, confirmation, proof.factor.clone(), &codes, now);
        proof.settle(replaced.await?).await?;
        tell(login, "recovery_codes_replaced", "the user has new recovery codes");
        Ok(RecoveryCodes::of(&codes))
    }

    /// Turns the second factor off.
    pub async fn turn_totp_off(&self, login: &LoggedIn, form: &Form, from: IpAddr) -> Result<(), OAuthError> {
        let code = Code::require(form)?;
        let confirmation = self.confirm_password(login, form.require("password")?).await?;
        let store = self.store.unreserved();
        let proof = self.check_code(&store, &login.user.id, &code, from).await?.ok_or(NOT_ON)?;
        let now = self.clock.now();
        let turned_off = second_factor::turn_off(&store, confirmation, proof.factor.clone(), now);
        proof.settle(turned_off.await?).await?;
        tell(login, "totp_disabled", "the user has no second factor: the other sessions are closed");
        Ok(())
    }
}

impl RecoveryCodes {
    fn of(codes: &[RecoveryCode]) -> Self {
        Self { recovery_codes: codes.iter().map(RecoveryCode::shown).collect() }
    }
}

impl Proof {
    /// Ends the attempt as the change did that it was spent for.
    async fn settle(self, outcome: Outcome) -> Result<(), OAuthError> {
        match outcome {
            Outcome::Done => self.attempt.succeed().await,
            Outcome::CodeSpent => self.attempt.fail().await,
            Outcome::AlreadyOn | Outcome::Raced => {}
        }
        made(outcome)
    }
}

/// A retry is judged by what holds then.
fn made(outcome: Outcome) -> Result<(), OAuthError> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::AlreadyOn => Err(ALREADY_ON),
        Outcome::CodeSpent => Err(OAuthError::InvalidGrant(Reason::WrongCode)),
        Outcome::Raced => Err(OAuthError::Unavailable("the account was changed meanwhile".to_owned())),
    }
}

fn tell(login: &LoggedIn, event: &'static str, what: &'static str) {
    let (session, user) = (login.session.id, &login.user.id);
    tracing::info!(target: "chancery::audit", event, %session, user, "{what}");
}
