//! What `deploy/nginx.conf` does with requests when instances refuse connections or hang up, shown with stand-ins that
//! remember what they were asked.

mod upstream;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use upstream::{Manner, Upstream};

use crate::nginx::{self, Nginx};
use crate::process::daemon::free_port;
use crate::process::http::Connection;
use crate::time::within;

const REQUESTS: usize = 30;
/// A restarted instance is asked again after a second.
const COMEBACK: Duration = Duration::from_secs(3);

fn addresses(upstreams: &[Upstream; 3]) -> [SocketAddr; 3] {
    upstreams.each_ref().map(|upstream| upstream.address)
}

fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

#[test]
fn nginx_finds_nothing_wrong_with_the_file() {
    let output = nginx::check(free_port(), [1, 2, 3].map(loopback));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let problem = ["[warn]", "[error]", "[alert]", "[emerg]"].into_iter().find(|level| said.contains(level));
    assert_eq!(problem, None, "{said}");
}

#[test]
fn a_post_that_an_instance_may_have_done_is_never_sent_to_another() {
    let upstreams = [Manner::HangUp, Manner::Answer, Manner::Answer].map(Upstream::start);
    let nginx = Nginx::start(addresses(&upstreams));
    let mut connection = Connection::open(nginx.address).unwrap();
    let mut lost = 0;
    for number in 0..REQUESTS {
        let answer = connection.post("/token", &format!("number={number}.")).unwrap();
        if answer.status == 502 {
            lost += 1;
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
        } else {
            assert_eq!(answer.status, 200);
        }
    }
    assert!(lost > 0);
    for number in 0..REQUESTS {
        let body = format!("number={number}.");
        let times: usize = upstreams.iter().map(|upstream| upstream.count(&body)).sum();
        assert_eq!(times, 1, "{body}");
    }
}

#[test]
fn a_get_that_an_instance_did_not_answer_is_sent_to_another() {
    let upstreams = [Manner::HangUp, Manner::HangUp, Manner::Answer].map(Upstream::start);
    let nginx = Nginx::start(addresses(&upstreams));
    let mut connection = Connection::open(nginx.address).unwrap();
    for _ in 0..REQUESTS {
        assert_eq!(connection.get("/.well-known/jwks.json").unwrap().status, 200);
    }
    assert!(upstreams[0].count("GET ") + upstreams[1].count("GET ") > 0);
}

#[test]
fn a_refused_connection_moves_a_post_on_and_a_restarted_instance_is_soon_asked_again() {
    let dead = loopback(free_port());
    let alive = [Manner::Answer, Manner::Answer].map(Upstream::start);
    let nginx = Nginx::start([dead, alive[0].address, alive[1].address]);
    let mut connection = Connection::open(nginx.address).unwrap();
    for _ in 0..REQUESTS {
        assert_eq!(connection.post("/token", "a=b").unwrap().status, 200);
    }
    assert_eq!(alive[0].count("POST ") + alive[1].count("POST "), REQUESTS);
    let restarted = Upstream::start_at(dead, Manner::Answer);
    let is_asked = || {
        assert_eq!(connection.post("/token", "a=b").unwrap().status, 200);
        restarted.count("POST ") > 0
    };
    let after = within(COMEBACK, is_asked).expect("it is asked again");
    eprintln!("a restarted instance is asked again after {after:?}");
}

#[test]
fn what_a_client_says_of_its_address_is_replaced() {
    let upstreams = [Manner::Answer; 3].map(Upstream::start);
    let nginx = Nginx::start(addresses(&upstreams));
    let request = "GET /userinfo HTTP/1.1\r\nHost: auth.example.com\r\nX-Forwarded-For: 6.6.6.6\r\n\
                   Forwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(nginx.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = upstreams.iter().find_map(Upstream::last).unwrap();
    assert!(!seen.contains("6.6.6.6"), "{seen}");
    for header in ["Host: auth.example.com", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"] {
        assert!(seen.lines().any(|line| line == header), "{header} in {seen}");
    }
    // Only one of the two headers is passed on: in this one, a client's Host would stand beside its address.
    assert!(!seen.contains("\nForwarded:"), "{seen}");
    assert!(!seen.contains("Connection:"), "{seen}");
}

#[test]
fn long_bodies_and_what_is_for_orchestrators_do_not_get_through() {
    let upstreams = [Manner::Answer; 3].map(Upstream::start);
    let nginx = Nginx::start(addresses(&upstreams));
    let status = |path: &str, length: usize| {
        let mut connection = Connection::open(nginx.address).unwrap();
        connection.post(path, &"x".repeat(length)).unwrap().status
    };
    assert_eq!(status("/token", 64 * 1024), 200);
    assert_eq!(status("/token", 64 * 1024 + 1), 413);
    assert_eq!((status("/livez", 0), status("/readyz", 0)), (404, 404));
    assert_eq!(upstreams.iter().map(|upstream| upstream.count(" HTTP/1.1")).sum::<usize>(), 1);
}
