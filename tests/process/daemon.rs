//! A server of somebody else's as a child process: started on a free port, ready when its log says so, and gone with
//! all its processes when this is dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

/// How often a port that somebody else was quicker to take is replaced by another one.
const ATTEMPTS: usize = 20;

/// A running server.
pub struct Daemon {
    child: Child,
    /// What ends it.
    ending: Signal,
    /// Reads its log, so that a full pipe does not hold it up, until its last process has closed it.
    drain: Option<JoinHandle<()>>,
}

impl Daemon {
    /// Starts one and waits until its log has `ready`; the error is the log of one that ended before.
    pub fn start(mut command: Command, ready: &str, ending: Signal) -> Result<Self, String> {
        let (log, writer) = std::io::pipe().unwrap();
        command.stdin(Stdio::null()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        drop(command); // and with it this process's ends for writing, or the log would have no end
        let (mut log, mut seen) = (BufReader::new(log), String::new());
        while !seen.contains(ready) {
            if log.read_line(&mut seen).unwrap() == 0 {
                child.wait().unwrap();
                return Err(seen);
            }
        }
        let drain = std::thread::spawn(move || drop(std::io::copy(&mut log, &mut std::io::sink())));
        Ok(Self { child, ending, drain: Some(drain) })
    }

    /// Starts one on a free port.
    pub fn start_anywhere(start: impl Fn(u16) -> Result<Self, String>) -> (Self, u16) {
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            match start(port) {
                Ok(daemon) => return (daemon, port),
                Err(failure) if failure.contains("Address already in use") => log = failure,
                Err(failure) => panic!("{failure}"),
            }
        }
        panic!("no port is free: {log}");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // These fail when it has ended already.
        let _ = kill_process(Pid::from_child(&self.child), self.ending);
        let _ = self.child.wait();
        if let Some(drain) = self.drain.take() {
            let _ = drain.join();
        }
    }
}

/// A free port below those that the system gives to outgoing connections: one of them could take it while its server
/// is down, or connect to itself.
pub fn free_port() -> u16 {
    loop {
        let outgoing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let port = 10_000 + outgoing % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
