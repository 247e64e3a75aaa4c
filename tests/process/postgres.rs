//! A private PostgreSQL server on loopback, with its data in a folder that goes with it.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use rustix::process::Signal;
use tempfile::TempDir;

use super::daemon::Daemon;

/// A superuser; trusted without a password.
const USER: &str = "postgres";
/// The database that is always there.
const MAINTENANCE: &str = "postgres";
/// A commit is with the system before it is answered, but not on the disk: servers are killed here, machines are not.
const SETTINGS: [(&str, &str); 4] = [
    ("listen_addresses", "127.0.0.1"),
    ("synchronous_commit", "on"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
];

/// The server; ended at once, as by a crash, when this is dropped.
pub struct Postgres {
    daemon: Option<Daemon>,
    port: u16,
    settings: Vec<(String, String)>,
    folder: TempDir,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    value: String,
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With settings as in `postgresql.conf`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_in(&std::env::temp_dir(), settings)
    }

    /// With its data in a folder of its own within `parent`.
    pub fn start_in(parent: &Path, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        if let Some(owner) = owner() {
            std::os::unix::fs::chown(folder.path(), Some(owner.user), Some(owner.group)).unwrap();
        }
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings: Vec<_> = SETTINGS.iter().chain(settings).map(own).collect();
        let mut initdb = program("initdb", folder.path());
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", USER]);
        let made = initdb.args(["--pgdata", "data"]).stdin(Stdio::null()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (daemon, port) = Daemon::start_anywhere(|port| run(folder.path(), port, &settings));
        Self { daemon: Some(daemon), port, settings, folder }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process identifier of a running one.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    pub fn connect(&self, database: &str) -> PgConnection {
        PgConnection::establish(&self.url(database)).unwrap()
    }

    /// Makes an empty database; returns its URL.
    pub fn create_database(&self, name: &str) -> String {
        self.execute(&format!(r#"CREATE DATABASE "{name}" TEMPLATE template0"#));
        self.url(name)
    }

    /// Runs statements that concern the server as a whole.
    pub fn execute(&self, statements: &str) {
        self.connect(MAINTENANCE).batch_execute(statements).unwrap();
    }

    /// The one value that a query has for an answer, as text.
    pub fn query(&self, database: &str, query: &str) -> String {
        let query = sql_query(format!("SELECT ({query})::text AS value"));
        query.get_result::<Value>(&mut self.connect(database)).unwrap().value
    }

    /// Ends every process at once, as `pg_ctl --mode=immediate` does: what was committed must be recovered.
    pub fn stop_immediately(&mut self) {
        self.daemon = None;
    }

    /// Starts it again on the same port, with what it had recovered.
    pub fn start_again(&mut self) {
        self.stop_immediately();
        let daemon = run(self.folder.path(), self.port, &self.settings);
        self.daemon = Some(daemon.unwrap_or_else(|log| panic!("{log}")));
    }
}

fn run(folder: &Path, port: u16, settings: &[(String, String)]) -> Result<Daemon, String> {
    let mut postgres = program("postgres", folder);
    postgres.args(["-D", "data", "-p", &port.to_string()]).arg("-k").arg(folder);
    for (name, value) in settings {
        postgres.args(["-c", &format!("{name}={value}")]);
    }
    Daemon::start(postgres, "ready to accept connections", Signal::QUIT)
}

/// One of PostgreSQL's programs in a folder, as a user that it agrees to run as.
fn program(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(binaries().map_or(name.into(), |binaries| binaries.join(name)));
    command.current_dir(folder).env_clear().env("LC_ALL", "C");
    if let Some(owner) = owner() {
        command.uid(owner.user).gid(owner.group);
    }
    command
}

/// Where the newest server's programs are: Debian keeps them off the PATH. None: on the PATH.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let version = |name: std::ffi::OsString| name.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<_> = versions.filter_map(|entry| version(entry.unwrap().file_name())).collect();
    versions.sort_unstable();
    let debian = versions.iter().rev().map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let told = Command::new("pg_config").arg("--bindir").output().ok().into_iter();
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).trim().into());
    debian.chain(told).find(|folder: &PathBuf| folder.join("postgres").exists())
}

pub struct Owner {
    pub user: u32,
    pub group: u32,
}

/// Who owns the data and runs the server, which refuses to be root. None: whoever runs the tests.
pub fn owner() -> Option<Owner> {
    let id = |which| -> u32 {
        let told = Command::new("id").args([which, USER]).output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        told.trim()
            .parse()
            .unwrap_or_else(|_| panic!("root cannot run PostgreSQL, and there is no user {USER}"))
    };
    rustix::process::geteuid().is_root().then(|| Owner { user: id("-u"), group: id("-g") })
}
