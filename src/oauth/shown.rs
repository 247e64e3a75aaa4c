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
    /// As [`Shown::read`], but a token whose session is known to be closed is refused without a query, whoever shows it:
    /// its tag proves that it was ours, and more is not told.
    pub(super) async fn read_hot(issuer: &Issuer, text: &str) -> Result<Option<Self>, OAuthError> {
        let Some(token) = decode(issuer, text).await? else { return Ok(None) };
        if blacklist::knows_closed(&issuer.store, token.session).await {
            return Err(OAuthError::InvalidGrant(Reason::Closed));
        }
        Self::find(issuer, token).await.map(Some)
    }

    /// None when the text is no refresh token of this issuer; that costs no query.
    pub(super) async fn read(issuer: &Issuer, text: &str) -> Result<Option<Self>, OAuthError> {
        let Some(token) = decode(issuer, text).await? else { return Ok(None) };
        Self::find(issuer, token).await.map(Some)
    }

    async fn find(issuer: &Issuer, token: RefreshToken) -> Result<Self, OAuthError> {
        let find = move |conn: &mut _| sessions::find_with_holder(conn, token.session.as_bytes());
        let holder = issuer.store.read(find).await?.map(|(session, user, client)| {
            let (session, user) = (Session::from_row(&session)?, User::from_row(&user)?);
            Ok::<_, OAuthError>(Holder { session, user, client: Client::from_row(&client)? })
        });
        Ok(Self { token, holder: holder.transpose()? })
    }
}

async fn decode(issuer: &Issuer, text: &str) -> Result<Option<RefreshToken>, OAuthError> {
    Ok(RefreshToken::decode(text, issuer.keys.current().await?.mac()))
}
