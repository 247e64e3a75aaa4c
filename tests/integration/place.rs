//! The real binary's command line, run in a folder of its own.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use chancery::config::variable_of;
use serde_json::Value;
use tempfile::TempDir;

use super::backend::Backend;
use super::support::{MASTER_KEY, Service};

/// A folder with nothing but what the commands put there: by default their database, too.
pub struct Place {
    folder: TempDir,
    _backend: Option<Backend>,
    environment: Vec<(String, String)>,
}

pub struct Outcome {
    code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn assert(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn json(self) -> Value {
        let outcome = self.assert(0);
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}: {}", outcome.stdout))
    }
}

impl Place {
    pub fn new() -> Self {
        let cheap = [("CHANCERY__PASSWORD__MEMORY_KIB", "8"), ("CHANCERY__PASSWORD__ITERATIONS", "1")];
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = cheap.iter().map(own).collect();
        Self { folder: tempfile::tempdir().unwrap(), _backend: None, environment }
    }

    /// With an empty database of the kind that services have.
    pub fn with_database() -> Self {
        let backend = Backend::empty();
        let place = Self::new().on(&backend);
        Self { _backend: Some(backend), ..place }
    }

    /// The same database as a running service.
    pub fn of(service: &Service) -> Self {
        let mut place = Self::new().on(&service.backend);
        place.set("CHANCERY__KEYS__MASTER_KEY", MASTER_KEY);
        place
    }

    fn on(mut self, backend: &Backend) -> Self {
        let settings = backend.settings().into_iter();
        self.environment.extend(settings.map(|(key, value)| (variable_of(key), value)));
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn run(&self, line: &str) -> Outcome {
        self.run_with(line, "")
    }

    pub fn run_with(&self, line: &str, stdin: &str) -> Outcome {
        let arguments: Vec<_> = line.split(' ').filter(|word| !word.is_empty()).collect();
        self.run_arguments(&arguments, stdin)
    }

    pub fn run_arguments(&self, arguments: &[&str], stdin: &str) -> Outcome {
        let mut child = self.command(arguments).spawn().unwrap();
        // A command that reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Kills a command as soon as something is so, unless it has ended before.
    pub fn kill(&self, line: &str, is_time: impl Fn() -> bool) {
        let arguments: Vec<_> = line.split(' ').collect();
        let mut child = self.command(&arguments).spawn().unwrap();
        while child.try_wait().unwrap().is_none() && !is_time() {}
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
