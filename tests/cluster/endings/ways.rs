//! The ways in which a session is ended: over HTTP, and by the library or the command line beside the servers.

use chancery::accounts::password::{Hasher, Password};
use chancery::accounts::{User, users};
use chancery::app::open_store;
use chancery::clock::Clock;
use chancery::config::{Settings, Sources};
use chancery::store::Store;
use chancery::tokens::{SessionId, session};
use tokio::runtime::{Builder, Runtime};

use crate::cluster::Cluster;
use crate::login::{Login, PASSWORD};
use crate::process::Home;
use crate::process::http::Connection;

/// What ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Revoke,
    Disable,
    SetPassword,
    Close,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Revoke, Self::Disable, Self::SetPassword, Self::Close];

    /// Whose sessions are ended in this way.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Revoke => "revoked",
            Self::Disable => "disabled",
            Self::SetPassword => "changed",
            Self::Close => "closed",
        }
    }
}

/// Ends sessions: a process beside the servers.
pub struct Ender<'a> {
    home: &'a Home,
    runtime: Runtime,
    store: Store,
    user: User,
    /// Of the same password.
    hash: String,
}

impl<'a> Ender<'a> {
    pub fn new(cluster: &'a Cluster, way: Way) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let environment = cluster.home.environment();
        let settings = Settings::load(&Sources { environment, ..Sources::default() }).unwrap();
        let (store, user, hash) = runtime.block_on(async {
            let store = open_store(&settings).await.unwrap();
            let user = users::find(&store, way.user()).await.unwrap();
            let hasher = Hasher::start(&settings.password).unwrap();
            (store, user, hasher.hash(Password::parse(PASSWORD).unwrap()).await.unwrap())
        });
        Self { home: &cluster.home, runtime, store, user, hash }
    }

    /// Returns once it is acknowledged.
    pub fn end(&self, way: Way, login: &Login, instance: &mut Connection) {
        let now = Clock::System.now();
        match way {
            Way::Revoke => revoke(instance, login),
            Way::Disable => self.runtime.block_on(users::disable(&self.store, &self.user, now)).unwrap(),
            Way::SetPassword => {
                let change = users::set_password(&self.store, &self.user, self.hash.clone(), now);
                self.runtime.block_on(change).unwrap();
            }
            Way::Close => {
                let id = SessionId::parse(&login.sid).unwrap();
                let close = session::close(&self.store, id, "administrator", now);
                self.runtime.block_on(close).unwrap();
            }
        }
    }

    /// As [`Ender::end`], by the command line; revocation has none.
    pub fn command(&self, way: Way, login: &Login, instance: &mut Connection) {
        match way {
            Way::Revoke => revoke(instance, login),
            Way::Disable => drop(self.home.cli(&["users", "disable", way.user(), "--json"], "")),
            Way::SetPassword => {
                let command = ["users", "set-password", way.user(), "--password-stdin", "--json"];
                self.home.cli(&command, PASSWORD);
            }
            Way::Close => drop(self.home.cli(&["sessions", "close", &login.sid, "--json"], "")),
        }
    }

    /// Lets the user log in again.
    pub fn prepare_another(&self, way: Way) {
        if way == Way::Disable {
            self.runtime.block_on(users::enable(&self.store, &self.user, Clock::System.now())).unwrap();
        }
    }
}

fn revoke(instance: &mut Connection, login: &Login) {
    let form = format!("client_id={}&token={}", login.leeway.client(), login.tokens[0]);
    assert_eq!(instance.post("/revoke", &form).unwrap().status, 200);
}
