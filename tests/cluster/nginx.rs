//! A private nginx on loopback that runs `deploy/nginx.conf` as it stands, but for addresses and paths.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::daemon::Daemon;

const DEPLOYED: &str = include_str!("../../deploy/nginx.conf");
/// Where it looks for the instances.
const UPSTREAMS: [&str; 3] = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"];
/// Otherwise it takes the places that it was built with.
const TEMPORARY: [&str; 5] = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/// The server; ended when this is dropped.
pub struct Nginx {
    _daemon: Daemon,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Nginx {
    /// In front of these.
    pub fn start(upstreams: [SocketAddr; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (daemon, port) = Daemon::start_anywhere(|port| {
            configure(folder.path(), port, upstreams);
            Daemon::start(nginx(folder.path()), "start worker process", Signal::TERM)
        });
        Self { _daemon: daemon, address: ([127, 0, 0, 1], port).into(), folder }
    }

    /// What it logged of every request, in the order in which they ended.
    pub fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap();
        log.lines().map(str::to_owned).collect()
    }
}

/// What nginx says about the file.
pub fn check(port: u16, upstreams: [SocketAddr; 3]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    configure(folder.path(), port, upstreams);
    nginx(folder.path()).arg("-t").output().unwrap()
}

fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"]);
    command
}

fn configure(folder: &Path, port: u16, upstreams: [SocketAddr; 3]) {
    let temporary = TEMPORARY.map(|name| format!("{name}_temp_path {name};")).join("\n");
    let mut replacements = vec![
        ("pid /run/nginx.pid;", "pid nginx.pid;".to_owned()),
        ("error_log /var/log/nginx/error.log warn;", "error_log stderr notice;".to_owned()),
        ("access_log /var/log/nginx/access.log", "access_log access.log".to_owned()),
        ("listen 80;", format!("listen 127.0.0.1:{port};")),
        ("http {\n", format!("http {{\n{temporary}\n")),
    ];
    replacements.extend(UPSTREAMS.into_iter().zip(upstreams.map(|upstream| upstream.to_string())));
    let mut text = DEPLOYED.to_owned();
    for (deployed, here) in replacements {
        assert_eq!(text.matches(deployed).count(), 1, "{deployed}");
        text = text.replace(deployed, &here);
    }
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
}
