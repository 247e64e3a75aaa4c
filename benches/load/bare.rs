//! What the JWKS is measured against: actix with one handler that sends the very same bytes. It runs in a process of
//! its own, which is this benchmark started with a hidden argument.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use serde::{Deserialize, Serialize};

use crate::client::JWKS;
use crate::process::http::Connection;

/// Makes this benchmark the bare server.
pub const ARGUMENT: &str = "--bare";

/// What is to be sent; comes as a line of standard input.
#[derive(Deserialize, Serialize)]
struct Content {
    headers: Vec<(String, String)>,
    body: String,
}

/// The bare server, while it runs.
pub struct Bare {
    child: Child,
    pub address: SocketAddr,
}

impl Bare {
    /// Starts one that answers as the server at `original` does.
    pub fn start(original: SocketAddr) -> Self {
        let content = Content::of(original);
        let mut command = Command::new(std::env::current_exe().unwrap());
        let command = command.arg(ARGUMENT).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.as_mut().unwrap();
        writeln!(input, "{}", serde_json::to_string(&content).unwrap()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let bare = Self { child, address: line.trim().parse().unwrap() };
        assert_eq!(without_date(original), without_date(bare.address), "the bytes differ");
        bare
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Content {
    fn of(original: SocketAddr) -> Self {
        let mut connection = Connection::open(original).unwrap();
        let answer = connection.get(JWKS).unwrap();
        let lines = answer.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        // actix adds these two.
        let given = lines.filter(|(name, _)| !["content-length", "date"].contains(name)).map(own);
        Self { headers: given.collect(), body: String::from_utf8(answer.body.to_vec()).unwrap() }
    }
}

/// An answer's lines, in any order.
fn without_date(address: SocketAddr) -> Vec<String> {
    let mut connection = Connection::open(address).unwrap();
    let answer = connection.get(JWKS).unwrap();
    let mut lines: Vec<_> = answer.head.lines().filter(|line| !line.starts_with("date:")).collect();
    lines.push(std::str::from_utf8(answer.body).unwrap());
    lines.sort_unstable();
    lines.into_iter().map(ToOwned::to_owned).collect()
}

/// Serves what standard input says, with the number of workers that the server has by default.
pub fn serve() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let content: Content = serde_json::from_str(&line).unwrap();
    let header = |(name, value): &(String, String)| {
        (HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: Vec<_> = content.headers.iter().map(header).collect();
    let content = Data::new((headers, Bytes::from(content.body)));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    actix_web::rt::System::new().block_on(async move {
        let app = move || App::new().app_data(content.clone()).route(JWKS, web::get().to(answer));
        HttpServer::new(app).listen(listener).unwrap().run().await.unwrap();
    });
}

type Prepared = (Vec<(HeaderName, HeaderValue)>, Bytes);

async fn answer(content: Data<Prepared>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for (name, value) in &content.0 {
        response.insert_header((name.clone(), value.clone()));
    }
    response.body(content.1.clone())
}
