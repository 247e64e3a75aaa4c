//! Guesses whose senders do not wait for the answer.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use socket2::SockRef;

use super::lockout::{assert_put_off, service};
use super::support::{PASSWORD, Service};

#[actix_rt::test]
async fn a_wrong_guess_whose_sender_hangs_up_while_it_is_looked_at_counts() {
    const TRIES: usize = 20;
    let costs = [("password.memory_kib", "19456"), ("password.iterations", "4"), ("limits.attempts", "1")];
    let service = service(&costs).await;
    let places = service.app.issuer.passwords.load().0;
    // Who hangs up before the hash has begun costs nothing, and that is not counted.
    for _ in 0..TRIES {
        service.guess_and_hang_up(places).await;
        let reply = service.guess("alice", PASSWORD).await;
        if reply.status == 429 {
            return assert_put_off(&reply, 2);
        }
    }
    panic!("{TRIES} guesses, and none has counted");
}

impl Service {
    /// A wrong guess from here, which is given up while it has a place, with a reset: that ends the request at once.
    async fn guess_and_hang_up(&self, places: usize) {
        let is_busy = || self.app.issuer.passwords.load().0 < places;
        let form = "client_id=web&username=alice&password=wrong";
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        let head =
            "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded";
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{form}", form.len()).unwrap();
        // If an earlier one counted late, because Redis was slow, this one is answered at once.
        stream.set_nonblocking(true).unwrap();
        while !is_busy() && stream.peek(&mut [0]).is_err() {
            tokio::task::yield_now().await;
        }
        // Another request and its answer: the hash has begun, most often.
        self.get("/readyz").await;
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        while is_busy() {
            tokio::task::yield_now().await;
        }
    }
}
