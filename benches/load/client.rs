//! Who puts the load on the server: keep-alive connections, each with a thread and requests of its own.

use std::net::SocketAddr;

use crate::process::http::Connection;

/// Where the keys are published.
pub const JWKS: &str = "/.well-known/jwks.json";

/// How often a client comes again that was told so: a disk that is shared stalls now and then.
const PATIENCE: usize = 20;

/// One connection and what it asks for.
pub struct Client {
    address: SocketAddr,
    connection: Option<Connection>,
    task: Task,
}

enum Task {
    /// Its sessions' latest refresh tokens, in turn.
    Refresh { tokens: Vec<String>, next: usize },
    /// The same form each time.
    Post { form: String },
    /// The JWKS.
    Get,
}

/// Refresh tokens of new sessions.
pub fn log_in(address: SocketAddr, form: &str, sessions: usize) -> Vec<String> {
    let mut connection = Connection::open(address).unwrap();
    let mut refresh_token = || refresh_token(connection.post("/token", form).unwrap().body);
    (0..sessions).map(|_| refresh_token()).collect()
}

impl Client {
    /// Connections that share these sessions out among them.
    pub fn refreshing(address: SocketAddr, mut tokens: Vec<String>, connections: usize) -> Vec<Self> {
        let each = tokens.len() / connections;
        let mut share = || Task::Refresh { tokens: tokens.split_off(tokens.len() - each), next: 0 };
        (0..connections).map(|_| Self::new(address, share())).collect()
    }

    pub fn posting(address: SocketAddr, form: &str, connections: usize) -> Vec<Self> {
        let task = || Task::Post { form: form.to_owned() };
        (0..connections).map(|_| Self::new(address, task())).collect()
    }

    pub fn getting(address: SocketAddr, connections: usize) -> Vec<Self> {
        (0..connections).map(|_| Self::new(address, Task::Get)).collect()
    }

    fn new(address: SocketAddr, task: Task) -> Self {
        Self { address, connection: None, task }
    }

    /// Connects anew: the server closes what is idle for a few seconds.
    pub fn connect(&mut self) {
        self.connection = Some(Connection::open(self.address).unwrap());
    }

    /// Asks, and waits for the answer, which must be a good one.
    pub fn ask(&mut self) {
        let connection = self.connection.as_mut().unwrap();
        match &mut self.task {
            Task::Refresh { tokens, next } => {
                let token = &mut tokens[*next];
                let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
                let mut attempts = (0..PATIENCE).map(|_| {
                    let answer = connection.post("/token", &form).unwrap();
                    (answer.status != 503).then(|| refresh_token(answer.body))
                });
                *token = attempts.find_map(|successor| successor).unwrap();
                *next = (*next + 1) % tokens.len();
            }
            Task::Post { form } => assert_eq!(connection.post("/token", form).unwrap().status, 200),
            Task::Get => assert_eq!(connection.get(JWKS).unwrap().status, 200),
        }
    }
}

/// Found without parsing the rest: the client's work takes the server's cores.
fn refresh_token(answer: &[u8]) -> String {
    let text = std::str::from_utf8(answer).unwrap();
    let found = text.split_once("\"refresh_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
    found.unwrap_or_else(|| panic!("no refresh token: {text}")).0.to_owned()
}
