//! A refresh token that a request shows, with all that is stored about it: the session, its user and its client, read in
//! one query before anything is judged.

use super::{Issuer, OAuthError, Reason};
use crate::accounts::{Client, User};
use crate::store::sessions;
use crate::tokens::{RefreshToken, Session, blacklist};

/// A token that this issuer made: its tag is right.
#[derive(Debug)]
pub(super) struct Shown {
    pub token: RefreshToken,
    /// None: its session does not exist any more.
    pub holder: Option<Holder>,
}

/// Whom a session belongs to.
#[derive(Debug)]
pub(super) struct Holder {
    pub session: Session,
    pub user: User,
    pub client: Client,
}

impl Shown {
    /// None when the text is no refresh token of this issuer; that costs no query. Nor does a token whose session is
    /// known to be closed: it is refused.
    pub(super) async fn read(issuer: &Issuer, text: &str) -> Result<Option<Self>, OAuthError> {
        let ring = issuer.keys.current().await?;
        let Some(token) = RefreshToken::decode(text, ring.mac()) else { return Ok(None) };
        if blacklist::knows_closed(&issuer.store, token.session).await {
            return Err(OAuthError::InvalidGrant(Reason::Closed));
        }
        let find = move |conn: &mut _| sessions::find_with_holder(conn, token.session.as_bytes());
        let holder = issuer.store.read(find).await?.map(|(session, user, client)| {
            let (session, user) = (Session::from_row(&session)?, User::from_row(&user)?);
            Ok::<_, OAuthError>(Holder { session, user, client: Client::from_row(&client)? })
        });
        Ok(Some(Self { token, holder: holder.transpose()? }))
    }
}
