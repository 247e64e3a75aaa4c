//! An instance that is told to stop: whoever it has let in is answered, and is told to go elsewhere.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::cluster::{Cluster, INSTANCES};
use crate::login::{Leeway, Login, Outcome};
use crate::machine;
use crate::process::daemon::Daemon;
use crate::process::http::Connection;
use crate::process::{Home, terminate};
use crate::time::{now, within};

const CLIENTS: usize = 48;
/// Refreshes of all clients together before the instance is told to stop: by then all are at work.
const BUSY: usize = 10 * CLIENTS;
const PATIENCE: Duration = Duration::from_secs(20);
/// What `server.drain_time` is by default.
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// Longer than any of this may take.
const FOREVER: &str = "1h";

/// Refreshes over one connection, and over a new one when it is told to, until it is refused. What was wrong with that.
fn refresh_until_refused(address: SocketAddr, mut login: Login, answered: &AtomicUsize) -> Option<String> {
    let mut connection = Connection::open(address).unwrap();
    loop {
        match login.present(&mut connection, login.generation()) {
            Ok(Outcome::Successor(successor)) => login.tokens.push(successor),
            // The machine may have too much to do. It is over for a strict client, and nothing was lost.
            Ok(Outcome::Unavailable) => return None,
            Ok(other) => return Some(format!("{other:?}")),
            Err(refused) if refused.kind() == ErrorKind::ConnectionRefused => return None,
            Err(lost) => return Some(format!("no answer: {lost}")),
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_instance_under_load_that_is_told_to_stop_answers_whatever_it_was_sent() {
    let _alone = machine::alone();
    let mut cluster = Cluster::start();
    let lost: Vec<_> = (0..INSTANCES).map(|instance| lost_while_stopping(&mut cluster, instance)).collect();
    assert!(lost.iter().all(Vec::is_empty), "{lost:?}");
}

/// The answers that clients of one instance did not get.
fn lost_while_stopping(cluster: &mut Cluster, instance: usize) -> Vec<String> {
    let (address, mut connection) = (cluster.addresses[instance], cluster.connect(instance));
    let logins: Vec<_> = (0..CLIENTS).map(|_| Login::open(&mut connection, Leeway::Strict)).collect();
    drop(connection);
    let answered = &AtomicUsize::new(0);
    let lost: Vec<_> = std::thread::scope(|scope| {
        let refresh = |login| scope.spawn(move || refresh_until_refused(address, login, answered));
        let clients: Vec<_> = logins.into_iter().map(refresh).collect();
        assert!(within(PATIENCE, || answered.load(Ordering::Relaxed) >= BUSY).is_some());
        cluster.stop(instance);
        clients.into_iter().filter_map(|client| client.join().unwrap()).collect()
    });
    eprintln!("{} answers, {} lost", answered.load(Ordering::Relaxed), lost.len());
    lost
}

#[test]
fn every_further_signal_brings_the_end_nearer() {
    let _machine = machine::shared();
    let home = Home::with_cheap_passwords()
        .with("CHANCERY__SERVER__DRAIN_TIME", FOREVER)
        .with("CHANCERY__SERVER__SHUTDOWN_TIMEOUT", FOREVER)
        .with("CHANCERY__SERVER__REQUEST_TIMEOUT", FOREVER);
    let mut server = home.serve();
    let (address, mut held) = (server.address, Connection::open(server.address).unwrap());
    assert_eq!(held.get("/readyz").unwrap().status, 200);
    terminate(address, server.id());
    let status = |path| Connection::open(address).unwrap().get(path).unwrap().status;
    within(PATIENCE, || status("/readyz") == 503).expect("it says that it goes");
    // Over the connection from before, and then over new ones.
    for (path, status) in [("/livez", 200), ("/readyz", 503), ("/nowhere", 404), ("/token", 405)] {
        let answer = held.get(path).unwrap();
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{path}");
    }
    let _under_way = begin_request(address);
    terminate(address, server.id());
    within(PATIENCE, || TcpStream::connect(address).is_err()).expect("it lets nobody in");
    terminate(address, server.id());
    within(PATIENCE, || server.has_ended()).expect("it waits for nobody any more");
}

/// A request whose body never comes.
fn begin_request(address: SocketAddr) -> TcpStream {
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10";
    write!(stream, "POST /token HTTP/1.1\r\nHost: x\r\n{form}\r\nExpect: 100-continue\r\n\r\n").unwrap();
    let mut answer = [0; CONTINUE.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, CONTINUE.as_bytes());
    stream
}

#[test]
fn a_developer_does_not_wait_for_clients_to_leave() {
    let _machine = machine::shared();
    let home = Home::new();
    let (dev, port) = Daemon::start_anywhere(|port| {
        let mut command = home.command();
        command.args(["dev", "--bind", &format!("127.0.0.1:{port}")]);
        Daemon::start(command, "keys list", Signal::INT)
    });
    let connect = || Connection::open(([127, 0, 0, 1], port).into());
    within(PATIENCE, || connect().is_ok()).expect("it listens");
    let mut held = connect().unwrap();
    assert_eq!(held.get("/livez").unwrap().status, 200);
    let told = now();
    drop(dev);
    assert!(told.elapsed() < DRAIN_TIME, "{:?}", told.elapsed());
}
