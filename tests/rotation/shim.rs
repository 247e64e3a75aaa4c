//! Runs the binary under `shim.c`, which kills it before one of the calls that change its files.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use tempfile::TempDir;

use crate::process::{Home, listening, terminate};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rotation/shim.c");
const SIGKILL: i32 = 9;

/// The compiled shim.
pub struct Shim {
    folder: TempDir,
}

impl Shim {
    pub fn build() -> Self {
        let shim = Self { folder: tempfile::tempdir().unwrap() };
        let mut cc = Command::new("cc");
        cc.args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"]);
        let compiled = cc.arg(shim.library()).arg(SOURCE).arg("-ldl").status().unwrap();
        assert!(compiled.success());
        shim
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("shim.so")
    }

    fn command(&self, home: &Home, step: usize) -> Command {
        let mut command = home.command();
        command.env("LD_PRELOAD", self.library()).env("KILL_WITHIN", home.path());
        command.env("KILL_BEFORE", step.to_string());
        command
    }

    /// Runs a command, killed before a step; tells before which call. None: it ran through.
    pub fn run(&self, home: &Home, arguments: &[&str], step: usize) -> Option<String> {
        let output = self.command(home, step).args(arguments).output().unwrap();
        ending(home, output.status, &String::from_utf8_lossy(&output.stderr))
    }

    /// Runs a server with these settings until it has said something and is asked to end; otherwise as [`Shim::run`].
    pub fn serve(&self, home: &Home, settings: &[(&str, &str)], said: &str, step: usize) -> Option<String> {
        let mut command = self.command(home, step);
        let command = command.args(["serve", "--bind", "127.0.0.1:0"]).envs(settings.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (address, mut told) = listening(&mut log);
        while !told.contains(said) && log.read_line(&mut told).unwrap() > 0 {}
        if let Some(address) = address.filter(|_| told.contains(said)) {
            terminate(address, child.id());
        }
        log.read_to_string(&mut told).unwrap();
        ending(home, child.wait().unwrap(), &told)
    }
}

fn ending(home: &Home, status: ExitStatus, told: &str) -> Option<String> {
    if status.signal() != Some(SIGKILL) {
        assert!(status.success(), "{status}: {told}");
        return None;
    }
    let place = told.lines().find_map(|line| line.strip_prefix("killed before ")).unwrap();
    let folder = home.path().to_str().unwrap();
    Some(place.replace(&format!("{folder}/"), "").replace(folder, "the folder"))
}
