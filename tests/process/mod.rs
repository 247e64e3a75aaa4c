//! The real binary as a child process on loopback: a folder with its database and master key, the command line, and
//! a server that is ended with it. For what only a process of its own can show: crashes, and the cost of a request.

// Each of the binaries that include this uses its own part of it.
#![allow(dead_code)]

pub mod http;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_chancery");

/// An installation: everything that outlives a server.
pub struct Home {
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Home {
    /// An empty one with the default settings.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let settings = vec![
            ("CHANCERY__DATABASE__URL", format!("sqlite://{}", at("chancery.db"))),
            ("CHANCERY__KEYS__MASTER_KEY_FILE", at("master.key")),
            ("CHANCERY__ISSUER__URL", "http://127.0.0.1".to_owned()),
        ];
        Self { folder, settings }
    }

    /// One where a password costs nearly nothing, for what is not about passwords.
    pub fn with_cheap_passwords() -> Self {
        Self::new().with("CHANCERY__PASSWORD__MEMORY_KIB", "8").with("CHANCERY__PASSWORD__ITERATIONS", "1")
    }

    /// With another setting.
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.settings.push((variable, value.to_owned()));
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.path().join("chancery.db")
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

    /// Starts a server on a free port and waits until it listens.
    pub fn serve(&self) -> Server {
        let mut child = self.command().args(["serve", "--bind", "127.0.0.1:0"]).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let Some(address) = listening(&mut log) else {
            let _ = child.kill();
            panic!("the server ended before it listened: {:?}", child.wait());
        };
        // A full pipe would hold up the server.
        let drain = std::thread::spawn(move || drop(std::io::copy(&mut log, &mut std::io::sink())));
        Server { child, address, drain: Some(drain) }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(BINARY);
        // No chancery.toml and no variable of whoever runs the tests gets in.
        command.current_dir(self.path()).env_clear().envs(self.settings.clone());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// Reads the log up to the line that names the address; none when the log ends before.
fn listening(log: &mut BufReader<ChildStderr>) -> Option<SocketAddr> {
    let mut seen = String::new();
    for line in log.by_ref().lines() {
        let line = line.unwrap();
        let words = line.contains("listening").then(|| line.split_whitespace());
        let address = words.into_iter().flatten().find_map(|word| word.strip_prefix("address="));
        if let Some(address) = address {
            return Some(address.parse().unwrap());
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    eprintln!("{seen}");
    None
}

/// A running server; it is killed when this is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    drain: Option<JoinHandle<()>>,
}

impl Server {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`: it does nothing more, not even half of what it was about to do.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a service manager does, and waits for it.
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.id())]).status();
        assert!(asked.unwrap().success());
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
