//! Clients that are slow, deaf or too many: they get what they may have, and take nothing from the others.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::alone;
use crate::client::{Client, Excuse, Record};
use crate::clock::{await_within, now, pause, percentile};
use crate::customer::Customer;
use crate::load::{self, DOCUMENTS};
use crate::memory::{megabytes, peak, resident};
use crate::process::Home;
use crate::rig::{Heard, Installation};

/// Connections of the ill-behaved.
const SLOW: usize = 300;
const DEAF: usize = 8;
/// What a deaf client may try to send, and how long it tries when nobody takes it.
const MOST: usize = 64 * 1024 * 1024;
const TAKES: Duration = Duration::from_millis(500);
/// For each of the deaf: the answers to whatever stood in one full buffer of requests (128 KiB), which the HTTP library
/// makes before it looks whether anybody takes them.
const SLACK: u64 = DEAF as u64 * 32 * 1024 * 1024;
/// The well-behaved ones.
const CUSTOMERS: usize = 4;
const GENEROUS: Duration = Duration::from_secs(1);
/// Connections that there may be, and that there are.
const PLACES: usize = 8;
const CROWD: usize = 40;
const PATIENCE: Duration = Duration::from_secs(20);

const HALF_A_HEAD: &str = "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Ty";
const HALF_A_BODY: &str = "POST /token HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=refresh";
const FETCH: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

struct Rig {
    server: Heard,
    customers: Vec<Customer>,
    _installation: Installation,
}

impl Rig {
    fn start(setting: &'static str, value: &str) -> Self {
        let installation = Installation::of(Home::with_cheap_passwords().with(setting, value));
        let server = installation.serve();
        let customers = installation.customers(CUSTOMERS, &[server.address()]);
        Self { server, customers, _installation: installation }
    }

    /// Customers get their answers, whatever goes on beside them.
    fn serve_others<T>(&mut self, beside: impl FnOnce(SocketAddr) -> T) -> T {
        let (record, address) = (Record::new(Excuse::Nothing), self.server.address());
        let outcome = load::during(&record, &mut self.customers, &[address], || {
            pause(Duration::from_millis(500));
            let outcome = beside(address);
            pause(Duration::from_millis(500));
            outcome
        });
        let tally = load::settle(&record, &mut self.customers);
        record.check();
        let mut times: Vec<_> = record.all().iter().map(|sample| sample.took).collect();
        times.sort_unstable();
        let most = percentile(&times, 99);
        eprintln!("others: {tally:?}, p99 {most:?}");
        assert!(tally.refreshed > 20 && most < GENEROUS, "{tally:?}, p99 {most:?}");
        outcome
    }
}

#[test]
fn clients_that_stop_in_the_middle_are_told_so_and_hold_up_nobody() {
    let _alone = alone();
    let mut rig = Rig::start("CHANCERY__SERVER__REQUEST_TIMEOUT", "1s");
    for half in [HALF_A_HEAD, HALF_A_BODY] {
        let took = rig.serve_others(|address| {
            let start = now();
            let stall = |_| {
                let mut stream = open(address);
                stream.write_all(half.as_bytes()).unwrap();
                stream
            };
            let streams: Vec<_> = (0..SLOW).map(stall).collect();
            for stream in streams {
                let told = read_all(stream);
                assert!(told.starts_with("HTTP/1.1 408 "), "{told:?}");
            }
            now() - start
        });
        eprintln!("{SLOW} clients were told within {took:?}");
        assert!(took > Duration::from_millis(900), "{took:?}");
    }
}

#[test]
fn clients_that_never_read_take_no_memory_and_hold_up_nobody() {
    let _alone = alone();
    let mut rig = Rig::start("CHANCERY__SERVER__KEEP_ALIVE", "75s");
    let process = rig.server.server.id();
    rig.serve_others(|_| {}); // what every load takes
    let bound = resident(process) + SLACK;
    rig.serve_others(|address| {
        let senders: Vec<_> =
            (0..DEAF).map(|_| std::thread::spawn(move || pipeline(&open(address)))).collect();
        let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        eprintln!("{DEAF} deaf clients sent {}", megabytes(sent as u64));
    });
    let most = peak(process);
    eprintln!("{} at most, of {}", megabytes(most), megabytes(bound));
    assert!(most < bound, "{} instead of {}", megabytes(most), megabytes(bound));
}

/// Sends requests for as long as they are taken, and reads nothing.
fn pipeline(mut stream: &TcpStream) -> usize {
    let requests = FETCH.repeat(1000);
    stream.set_write_timeout(Some(TAKES)).unwrap();
    let mut sent = 0;
    while sent < MOST {
        match stream.write(&requests.as_bytes()[sent % FETCH.len()..]) {
            Ok(count) => sent += count,
            Err(_) => break,
        }
    }
    assert!(sent < MOST, "everything was taken");
    sent
}

#[test]
fn clients_beyond_the_limit_wait_until_others_leave() {
    let _alone = alone();
    let rig = Rig::start("CHANCERY__SERVER__MAX_CONNECTIONS", &PLACES.to_string());
    let mut waiting: Vec<_> = (0..CROWD)
        .map(|_| {
            let mut stream = open(rig.server.address());
            stream.write_all(FETCH.as_bytes()).unwrap();
            stream
        })
        .collect();
    let mut most = 0;
    await_within(PATIENCE, "everybody is served", || {
        pause(Duration::from_millis(100));
        let served: Vec<_> = waiting.extract_if(.., |stream| is_answered(stream)).collect();
        most = most.max(served.len()); // and they leave
        waiting.is_empty()
    });
    eprintln!("{most} of {CROWD} were served at once");
    // Each worker takes one more from the queue than it may serve.
    assert!((1..CROWD / 2).contains(&most), "{most}");
    let (record, mut client) = (Record::new(Excuse::Nothing), Client::of(rig.server.address()));
    for path in DOCUMENTS {
        assert_eq!(client.get(&record, path).status, 200);
    }
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whatever comes until the other side closes.
fn read_all(mut stream: TcpStream) -> String {
    let mut told = Vec::new();
    let mut buffer = [0; 4096];
    // What comes after the answer, a reset perhaps, is of no interest.
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        told.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(told).unwrap()
}

fn is_answered(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0; 12]) {
        Ok(count) => count > 0,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
            false
        }
    }
}
