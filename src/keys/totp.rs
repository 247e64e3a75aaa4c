//! The secrets of users' authenticator apps, sealed like keys under the master key. What is sealed names its user, so that
//! one user's row does not open for another.

use josekit::jwk::Jwk;
use zeroize::Zeroizing;

use super::{KeyError, Keys, MasterKeys};
use crate::store::totp as table;

/// Secrets that are sealed anew in one transaction.
const BATCH: i64 = 100;

/// A secret, sealed under the master key that opened this version of the ring. It must not be stored under another one:
/// whoever seals everything anew begins with the ring, and would miss it.
#[derive(Clone, Debug)]
pub struct SealedTotp {
    /// Compact JWE.
    pub text: String,
    /// To be held while that is stored.
    pub ring_version: i64,
}

impl Keys {
    /// Seals a user's secret.
    pub async fn seal_totp(&self, user_id: &str, secret: &[u8]) -> Result<SealedTotp, KeyError> {
        let stored = self.stored().await?;
        let mut jwk = Jwk::new("oct");
        jwk.set_key_id(kid(user_id));
        jwk.set_key_value(secret);
        Ok(SealedTotp { text: stored.master.seal(&jwk)?, ring_version: stored.rows.version })
    }

    /// Opens a user's secret.
    pub fn unseal_totp(&self, user_id: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let kid = kid(user_id);
        let jwk = match self.master().unseal(&kid, sealed) {
            // It may have been sealed anew since the master keys were read.
            Err(KeyError::MasterKey(_)) => MasterKeys::load(&self.settings)?.unseal(&kid, sealed)?,
            outcome => outcome?,
        };
        let broken = || KeyError::Broken { kid, problem: "is no secret of an app".to_owned() };
        jwk.key_value().map(Zeroizing::new).ok_or_else(broken)
    }

    /// Seals every user's secret under the first master key, and counts them. For after the ring.
    pub(super) async fn reseal_totp(&self, master: &MasterKeys) -> Result<usize, KeyError> {
        let (mut count, mut after) = (0, String::new());
        loop {
            let page = self.store.read(move |conn| table::page(conn, &after, BATCH)).await?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = last.clone();
            count += page.len();
            let reseal = |(user_id, old): (String, String)| {
                let new = master.seal(&master.unseal(&kid(&user_id), &old)?)?;
                Ok((user_id, old, new))
            };
            let resealed = page.into_iter().map(reseal).collect::<Result<Vec<_>, KeyError>>()?;
            let store = move |conn: &mut _| {
                resealed.iter().try_for_each(|(user_id, old, new)| table::reseal(conn, user_id, old, new))
            };
            self.store.write(store).await?;
        }
    }
}

fn kid(user_id: &str) -> String {
    format!("totp-{user_id}")
}
