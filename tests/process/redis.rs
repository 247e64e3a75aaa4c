//! A private Redis server on loopback that keeps nothing on the disk unless it is told to.

use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::daemon::Daemon;

/// The server; killed when this is dropped.
pub struct Redis {
    daemon: Option<Daemon>,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With arguments as `redis-server` takes them.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (daemon, port) = Daemon::start_anywhere(|port| run(folder.path(), port, &arguments));
        Self { daemon: Some(daemon), port, arguments, folder }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process identifier of a running one.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` answers to a command.
    pub fn command(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub fn kill(&mut self) {
        self.daemon = None;
    }

    /// Starts it again on the same port, empty.
    pub fn start_again(&mut self) {
        self.kill();
        let daemon = run(self.folder.path(), self.port, &self.arguments);
        self.daemon = Some(daemon.unwrap_or_else(|log| panic!("{log}")));
    }

    /// Lets it answer nothing while connections stay open and new ones are accepted, until [`Redis::resume`].
    pub fn pause(&self) {
        self.daemon.as_ref().unwrap().signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.daemon.as_ref().unwrap().signal(Signal::CONT);
    }
}

fn run(folder: &Path, port: u16, arguments: &[String]) -> Result<Daemon, String> {
    let mut redis = Command::new("redis-server");
    redis.current_dir(folder).args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    redis.args(["--save", "", "--appendonly", "no"]).args(arguments);
    Daemon::start(redis, "Ready to accept connections", Signal::KILL)
}
