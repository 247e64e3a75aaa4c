//! `chancery sessions list|close`

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Value, json};

use super::{Admin, Failure, input, output};
use crate::accounts::{clients, users};
use crate::clock::Timestamp;
use crate::store::sessions::{self as table, Selection};
use crate::tokens::SessionId;
use crate::tokens::session::{self, Session, SessionState};

/// Look at sessions and end them.
#[derive(Debug, Subcommand)]
pub enum Sessions {
    /// List sessions, newest first.
    List(List),
    /// End sessions: their refresh tokens are refused, and their access tokens introspect as inactive.
    Close(Close),
}

/// Which to list.
#[derive(Debug, Args)]
pub struct List {
    /// A user's alone.
    #[arg(long, value_name = "USER", conflicts_with = "client")]
    user: Option<String>,
    /// A client's alone.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
    limit: i64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which to close.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "user", "client", "all", "before"])))]
pub struct Close {
    /// One session, by its id (the `sid` claim).
    id: Option<String>,
    /// All of a user's.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// All of a client's.
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,
    /// Every one.
    #[arg(long)]
    all: bool,
    /// All that were opened before a time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    before: Option<Timestamp>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Why these sessions end.
const REASON: &str = "administrator";

impl Sessions {
    pub(super) async fn run(self, admin: &Admin) -> Result<(), Failure> {
        match self {
            Self::List(list) => list.run(admin).await,
            Self::Close(close) => close.run(admin).await,
        }
    }
}

impl List {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let selection = match (self.user, self.client) {
            (Some(user), _) => of_user(admin, &user).await?,
            (None, Some(client)) => of_client(admin, &client).await?,
            (None, None) => Selection::All,
        };
        let limit = self.limit;
        let rows = admin.store.read(move |conn| table::list(conn, &selection, limit)).await?;
        let now = admin.clock.now();
        let sessions = rows
            .iter()
            .map(|(row, username)| Ok(describe(&Session::from_row(row)?, username, now)))
            .collect::<Result<Vec<_>, Failure>>()?;
        let columns =
            ["id", "username", "client_id", "state", "generation", "created_at", "last_used_at", "address"];
        output::list(&sessions, &columns, self.json)
    }
}

impl Close {
    async fn run(self, admin: &Admin) -> Result<(), Failure> {
        let now = admin.clock.now();
        if let Some(id) = self.id {
            let missing = || Failure::NotFound(format!("there is no session {}", id.escape_debug()));
            let key = SessionId::parse(&id).ok_or_else(missing)?;
            let find = move |conn: &mut _| table::find(conn, key.as_bytes());
            admin.store.read(find).await?.ok_or_else(missing)?;
            let closed = session::close(&admin.store, key, REASON, now).await?;
            return report(usize::from(closed), self.json);
        }
        let selection = match (self.user, self.client, self.before) {
            (Some(user), _, _) => of_user(admin, &user).await?,
            (_, Some(client), _) => of_client(admin, &client).await?,
            (_, _, Some(time)) => Selection::Before(time.as_unix()),
            _ => Selection::All,
        };
        report(session::close_all(&admin.store, &selection, REASON, now).await?, self.json)
    }
}

async fn of_user(admin: &Admin, name: &str) -> Result<Selection, Failure> {
    Ok(Selection::User(users::find(&admin.store, name).await?.id))
}

async fn of_client(admin: &Admin, id: &str) -> Result<Selection, Failure> {
    Ok(Selection::Client(clients::find(&admin.store, id).await?.id))
}

fn report(closed: usize, as_json: bool) -> Result<(), Failure> {
    eprintln!("{closed} session(s) closed.");
    if as_json { output::json(&json!({ "closed": closed })) } else { Ok(()) }
}

fn describe(session: &Session, username: &str, now: Timestamp) -> Value {
    let (state, closed_at, reason) = match &session.state {
        SessionState::Closed { at, reason } => ("closed", Some(*at), Some(reason)),
        SessionState::Open if now >= session.expires_at => ("expired", None, None),
        SessionState::Open => ("open", None, None),
    };
    json!({
        "id": session.id.to_string(),
        "user_id": session.user_id,
        "username": username,
        "client_id": session.client_id,
        "scope": session.scope,
        "state": state,
        "generation": session.generation,
        "created_at": output::time(session.created_at),
        "last_used_at": output::time(session.advanced_at),
        "expires_at": output::time(session.expires_at),
        "ends_at": output::time(session.ends_at),
        "closed_at": closed_at.map(output::time),
        "close_reason": reason,
        "address": session.address,
        "user_agent": session.user_agent,
    })
}
