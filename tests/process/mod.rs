//! The real binary as a child process on loopback: a folder with its database and master key, the command line, and
//! a server that is ended with it. For what only a process of its own can show: crashes, and the cost of a request.

// Each of the binaries that include this uses its own part of it.
#![allow(dead_code)]

pub mod clock;
pub mod daemon;
pub mod http;
pub mod postgres;
pub mod redis;
pub mod stored;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;

use postgres::Postgres;
use redis::Redis;
use tempfile::TempDir;

/// The name of the database that [`Home::on`] makes.
pub const DATABASE: &str = "chancery";
const BINARY: &str = env!("CARGO_BIN_EXE_chancery");
/// A port that the system chooses.
const ANYWHERE: &str = "127.0.0.1:0";

/// An installation: everything that outlives a server.
pub struct Home {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Home {
    /// An empty one with the default settings.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), settings: Vec::new() }
    }

    /// One where a password costs nearly nothing, for what is not about passwords.
    pub fn with_cheap_passwords() -> Self {
        Self::new().with("CHANCERY__PASSWORD__MEMORY_KIB", "8").with("CHANCERY__PASSWORD__ITERATIONS", "1")
    }

    /// One with cheap passwords, an empty database in PostgreSQL, and keys of its own in Redis.
    pub fn on(postgres: &Postgres, redis: &Redis) -> Self {
        Self::with_cheap_passwords()
            .with("CHANCERY__DATABASE__URL", &postgres.create_database(DATABASE))
            .with("CHANCERY__REDIS__URL", &redis.url())
            .with("CHANCERY__REDIS__KEY_PREFIX", "test:")
    }

    /// With another setting.
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.settings.push((variable, value.to_owned()));
        self
    }

    /// What a variable was set to.
    pub fn setting(&self, variable: &str) -> &str {
        let found = self.settings.iter().rev().find(|(name, _)| *name == variable);
        found.map_or("", |(_, value)| value)
    }

    /// Another one with the same settings and a copy of every file.
    pub fn copy(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap(), settings: self.settings.clone() };
        for name in self.files() {
            std::fs::copy(self.path().join(&name), copy.path().join(&name)).unwrap();
        }
        copy
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The names of all files there are, in order.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.path().join("chancery.db")
    }

    /// Where the master keys are.
    pub fn master_key(&self) -> PathBuf {
        self.path().join("master.key")
    }

    /// Runs a command that ends by itself, and reads the JSON that it prints.
    pub fn cli(&self, arguments: &[&str], input: &str) -> serde_json::Value {
        let mut child = self.command().args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let (mut talk, stderr) = (String::new(), child.stderr.take().unwrap());
        let output = std::thread::scope(|scope| {
            scope.spawn(|| BufReader::new(stderr).read_to_string(&mut talk).unwrap());
            child.wait_with_output().unwrap()
        });
        assert!(output.status.success(), "chancery {arguments:?}: {}\n{talk}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn create_user(&self, name: &str, password: &str) {
        self.cli(&["users", "create", name, "--password-stdin", "--json"], password);
    }

    /// A client; what comes back holds the secret of a confidential one.
    pub fn create_client(&self, id: &str, arguments: &[&str]) -> serde_json::Value {
        self.cli(&[&["clients", "create", "--id", id, "--json"], arguments].concat(), "")
    }

    /// Every session as the command line shows it.
    pub fn sessions(&self) -> Vec<serde_json::Value> {
        let listed = self.cli(&["sessions", "list", "--json", "--limit", "1000000"], "");
        listed.as_array().unwrap().clone()
    }

    /// Runs a command that ends by itself, however it ends.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).output().unwrap()
    }

    /// Starts a server on a free port and waits until it listens.
    pub fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// As [`Home::serve`], with more settings.
    pub fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        self.start(ANYWHERE, settings, sink).unwrap_or_else(|(status, log)| panic!("{status}:\n{log}"))
    }

    /// As [`Home::serve_with`]; `hear` gets every line that the server logs.
    pub fn serve_heard(&self, settings: &[(&str, &str)], hear: impl Fn(&str) + Send + 'static) -> Server {
        let listen = move |start: String, log: &mut BufReader<ChildStderr>| {
            start.lines().for_each(&hear);
            log.lines().map_while(Result::ok).for_each(|line| hear(&line));
        };
        self.start(ANYWHERE, settings, listen).unwrap_or_else(|(status, log)| panic!("{status}:\n{log}"))
    }

    /// As [`Home::serve`]; the error is how the server ended before it listened, and what it said.
    pub fn try_serve(&self) -> Result<Server, (ExitStatus, String)> {
        self.start(ANYWHERE, &[], sink)
    }

    /// As [`Home::try_serve`], on a port that is known beforehand.
    pub fn try_serve_at(&self, address: SocketAddr) -> Result<Server, (ExitStatus, String)> {
        self.start(&address.to_string(), &[], sink)
    }

    fn start(
        &self,
        bind: &str,
        settings: &[(&str, &str)],
        drain: impl FnOnce(String, &mut BufReader<ChildStderr>) + Send + 'static,
    ) -> Result<Server, (ExitStatus, String)> {
        let mut command = self.command();
        let command = command.args(["serve", "--bind", bind]).envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (address, start) = listening(&mut log);
        let Some(address) = address else {
            return Err((child.wait().unwrap(), start));
        };
        // A full pipe would hold up the server.
        let read = start.clone();
        let drain = std::thread::spawn(move || drain(read, &mut log));
        Ok(Server { child, address, start, drain: Some(drain) })
    }

    /// The variables that hold this installation's settings; of two that are the same, the later counts.
    pub fn environment(&self) -> Vec<(String, String)> {
        let defaults = [
            ("CHANCERY__DATABASE__URL", format!("sqlite://{}", self.database().display())),
            ("CHANCERY__KEYS__MASTER_KEY_FILE", self.master_key().display().to_string()),
            ("CHANCERY__ISSUER__URL", "http://127.0.0.1".to_owned()),
            ("CHANCERY__SERVER__DRAIN_TIME", "0s".to_owned()), // where nobody is there to leave
        ];
        let own = |(name, value): &(&str, String)| ((*name).to_owned(), value.clone());
        defaults.iter().chain(&self.settings).map(own).collect()
    }

    /// The binary with this installation's settings; its standard error is piped.
    pub fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        // No chancery.toml and no variable of whoever runs the tests gets in.
        command.current_dir(self.path()).env_clear().envs(self.environment());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// Reads the log up to the line that names the address, and tells what it read; none when the log ends before.
pub fn listening(log: &mut impl BufRead) -> (Option<SocketAddr>, String) {
    let mut seen = String::new();
    for line in log.by_ref().lines() {
        let line = line.unwrap();
        seen.push_str(&line);
        seen.push('\n');
        let address = if line.contains("listening") { word(&line, "address=") } else { None };
        if address.is_some() {
            return (address, seen);
        }
    }
    (None, seen)
}

/// The key that signed a token, as the token says.
pub fn kid_of(token: &str) -> Option<String> {
    Some(josekit::jwt::decode_header(token).ok()?.claim("kid")?.as_str()?.to_owned())
}

/// Reads what nobody wants to know.
fn sink(_: String, log: &mut BufReader<ChildStderr>) {
    let _ = std::io::copy(log, &mut std::io::sink());
}

/// What follows a word's beginning in a text.
fn word<T: std::str::FromStr>(text: &str, beginning: &str) -> Option<T> {
    text.split_whitespace().find_map(|word| word.strip_prefix(beginning)?.parse().ok())
}

/// Asks a server to end, as a service manager does.
pub fn terminate(address: SocketAddr, id: u32) {
    // Once it answers, it has taken over the signals too. It may have ended already.
    let _ = http::Connection::open(address).and_then(|mut connection| connection.get("/livez").map(drop));
    let asked = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status();
    assert!(asked.unwrap().success());
}

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// What it logged until it listened.
    start: String,
    drain: Option<JoinHandle<()>>,
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Where it serves its metrics.
    pub fn metrics(&self) -> Option<SocketAddr> {
        word(&self.start, "at=")
    }

    /// `kill -9`: it does nothing more, not even half of what it was about to do.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a service manager does, and waits for it.
    pub fn stop(mut self) -> ExitStatus {
        terminate(self.address, self.id());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(drain) = self.drain.take() {
            let _ = drain.join();
        }
    }
}
