//! Redis in its other shapes: with TLS, with a password, behind Sentinels, as a cluster.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificates::Certificates;
use crate::process::daemon::Daemon;

/// One server.
pub struct Node {
    pub port: u16,
    /// What `redis-cli` needs to be let in.
    login: Vec<String>,
    daemon: Option<Daemon>,
    _folder: TempDir,
}

impl Node {
    fn start(arguments: impl Fn(u16, &Path) -> Vec<String>, login: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = |port| {
            let mut redis = Command::new("redis-server");
            redis.current_dir(folder.path()).args(arguments(port, folder.path()));
            redis.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
            Daemon::start(redis, "Ready to accept connections", Signal::KILL)
        };
        let (daemon, port) = Daemon::start_anywhere(start);
        let login = login.iter().map(|word| (*word).to_owned()).collect();
        Self { port, login, daemon: Some(daemon), _folder: folder }
    }

    fn plain(more: &[&str]) -> Self {
        let more = words(more);
        Self::start(|port, _| [words(&["--port", &port.to_string()]), more.clone()].concat(), &[])
    }

    pub fn with_password(password: &str) -> Self {
        let arguments =
            |port: u16, _: &Path| words(&["--port", &port.to_string(), "--requirepass", password]);
        Self::start(arguments, &["-a", password])
    }

    /// Speaks TLS alone, and lets in this user alone.
    pub fn with_tls(certificates: &Certificates, user: &str, password: &str) -> Self {
        let [certificate, key, authority] =
            ["server.pem", "server.key", "ca.pem"].map(|name| certificates.path(name).display().to_string());
        let arguments = |port: u16, _: &Path| {
            let port = port.to_string();
            let tls = ["--port", "0", "--tls-port", &port, "--tls-cert-file", &certificate];
            let trust =
                ["--tls-key-file", &key, "--tls-ca-cert-file", &authority, "--tls-auth-clients", "no"];
            let secret = format!(">{password}");
            let users = ["--user", user, "on", &secret, "~*", "&*", "+@all", "--user", "default", "off"];
            words(&[&tls[..], &trust, &users].concat())
        };
        let login = ["--tls", "--cacert", &authority, "--user", user, "-a", password];
        Self::start(arguments, &login)
    }

    /// What `redis-cli` answers to a command.
    pub fn command(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let mut client = Command::new("redis-cli");
        client.args(["-h", "localhost", "-p", &port, "--no-auth-warning"]).args(&self.login);
        String::from_utf8(client.args(command).output().unwrap().stdout).unwrap().trim().to_owned()
    }
}

/// A master, a replica, and one Sentinel that is enough to decide.
pub struct Sentinels {
    nodes: [Node; 2],
    master: usize,
    sentinel: Daemon,
    port: u16,
    _folder: TempDir,
}

impl Sentinels {
    pub fn start() -> Self {
        let master = Node::plain(&[]);
        let replica = Node::plain(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
        await_that("the replica has its master", || replica.command(&["ROLE"]).contains("connected"));
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n",
            master.port
        );
        let start = |port: u16| {
            std::fs::write(folder.path().join("sentinel.conf"), &settings).unwrap();
            let mut sentinel = Command::new("redis-server");
            sentinel.current_dir(folder.path()).args(["sentinel.conf", "--sentinel", "--bind", "127.0.0.1"]);
            sentinel.args(["--port", &port.to_string()]);
            Daemon::start(sentinel, "+monitor master", Signal::KILL)
        };
        let (sentinel, port) = Daemon::start_anywhere(start);
        let sentinels = Self { nodes: [master, replica], master: 0, sentinel, port, _folder: folder };
        let knows = || sentinels.ask(&["SENTINEL", "REPLICAS", "main"]).contains("runid");
        await_that("the Sentinel knows the replica", knows);
        sentinels
    }

    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}?sentinelMasterId=main", self.port)
    }

    pub fn master(&self) -> &Node {
        &self.nodes[self.master]
    }

    /// Kills the master and waits until the replica has its place.
    pub fn fail_over(&mut self) {
        self.nodes[self.master].daemon = None;
        self.master = 1 - self.master;
        await_that("the replica is master", || self.master().command(&["ROLE"]).starts_with("master"));
    }

    fn ask(&self, command: &[&str]) -> String {
        assert!(self.sentinel.id() > 0);
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Three masters.
pub struct Cluster {
    nodes: Vec<Node>,
}

impl Cluster {
    pub fn start() -> Self {
        let node = |_| Node::plain(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
        let cluster = Self { nodes: (0..3).map(node).collect() };
        let addresses: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]).args(addresses).arg("--cluster-yes");
        let made = create.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for node in &cluster.nodes {
            let is_whole = || node.command(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
            await_that("the cluster is whole", is_whole);
        }
        cluster
    }

    pub fn url(&self) -> String {
        let nodes: Vec<_> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis-cluster://{}", nodes.join(","))
    }

    /// Asks whichever node has the key.
    pub fn command(&self, command: &[&str]) -> String {
        self.nodes[0].command(&[&["-c"], command].concat())
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..400 {
        if is_so() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("not in time: {what}");
}
