//! A whole service for one test: its own database, its own port, a clock that the test moves.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use chancery::accounts::password::Password;
use chancery::accounts::secret::{SecretHash, generate_secret};
use chancery::accounts::users::NewUser;
use chancery::accounts::{Client, ExtraClaims, Grant, Scopes, User, clients, users};
use chancery::app::App;
use chancery::clock::{Clock, Timestamp};
use chancery::config::{Settings, Sources};
use chancery::store::Store;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::backend::Backend;

pub const START: Timestamp = Timestamp::from_unix(1_800_000_000);
pub const PASSWORD: &str = "correct horse battery staple";
/// Seals the key ring of every test.
pub const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/// For what makes many wrong guesses.
pub const NO_LIMITS: [(&str, &str); 3] =
    [("limits.attempts", "0"), ("limits.account_attempts", "0"), ("limits.address_attempts", "0")];

/// Ends from top to bottom.
pub struct Service {
    _server: Server,
    pub app: App,
    pub url: String,
    pub clock: Clock,
    pub http: reqwest::Client,
    pub backend: Arc<Backend>,
}

/// A thread that serves.
struct Server {
    handle: ServerHandle,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Reply {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {self:?}"))
    }

    /// Asserts an RFC 6749 error.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["error"].as_str()), (status, Some(code)), "{self:?}");
        assert!(self.body["error_description"].is_string(), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
    }

    #[track_caller]
    pub fn assert_ok(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
}

impl Service {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With settings given as `("tokens.audience", "x")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_on(Backend::new().await, settings).await
    }

    /// For what is about SQLite, whatever the other tests run on.
    pub async fn on_sqlite() -> Self {
        Self::start_on(Backend::sqlite().await, &[]).await
    }

    async fn start_on(backend: Backend, settings: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = load(&backend, &url, settings);
        Self::listen(Arc::new(backend), listener, settings, Clock::manual(START)).await
    }

    /// Another instance of the same issuer: on the same database and by the same clock.
    pub async fn beside(&self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let settings = Settings::clone(&self.app.issuer.settings);
        Self::listen(Arc::clone(&self.backend), listener, settings, self.clock.clone()).await
    }

    async fn listen(backend: Arc<Backend>, listener: TcpListener, settings: Settings, clock: Clock) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = App::open(settings, clock.clone()).await.unwrap();
        let server = Server::start(app.clone(), listener);
        Self { _server: server, app, url, clock, http: reqwest::Client::new(), backend }
    }

    pub fn store(&self) -> &Store {
        &self.app.issuer.store
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.http.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        Reply::of(self.http.post(format!("{}{path}", self.url)).form(form).send().await.unwrap()).await
    }

    pub async fn post_as(&self, client: (&str, &str), path: &str, form: &[(&str, &str)]) -> Reply {
        let request = self.http.post(format!("{}{path}", self.url)).basic_auth(client.0, Some(client.1));
        Reply::of(request.form(form).send().await.unwrap()).await
    }

    /// A user with [`PASSWORD`].
    pub async fn user(&self, name: &str) -> User {
        self.user_with(name, None, "{}").await
    }

    pub async fn user_with(&self, name: &str, scopes: Option<&str>, claims: &str) -> User {
        let password_hash = self.hash(PASSWORD).await;
        let new = NewUser {
            username: name.to_owned(),
            email: Some(format!("{name}@example.com")),
            password_hash,
            scopes: scopes.map(|scopes| Scopes::parse(scopes).unwrap()),
            claims: ExtraClaims::parse(claims).unwrap(),
        };
        users::create(self.store(), new, self.now()).await.unwrap()
    }

    pub async fn hash(&self, password: &str) -> String {
        self.app.issuer.passwords.hash(Password::parse(password).unwrap()).await.unwrap()
    }

    /// A public client with every grant that it may have and the scopes `read write`.
    pub async fn public(&self, id: &str) -> Client {
        self.public_with(id, |_| ()).await
    }

    pub async fn public_with(&self, id: &str, change: impl FnOnce(&mut Client)) -> Client {
        let mut client = Client::new(id.to_owned(), self.now());
        client.grants = vec![Grant::Password, Grant::RefreshToken];
        client.scopes = Scopes::parse("read write").unwrap();
        change(&mut client);
        client.check(Duration::from_secs(90_000)).unwrap();
        clients::create(self.store(), &client, self.now()).await.unwrap();
        client
    }

    /// A confidential client with all grants; returns its secret.
    pub async fn confidential(&self, id: &str) -> String {
        let secret = generate_secret();
        let hash = SecretHash::of(&secret);
        self.public_with(id, move |client| {
            client.secret = Some(hash);
            client.grants = Grant::ALL.to_vec();
        })
        .await;
        secret.expose_secret().to_owned()
    }

    /// Logs `alice` in through the public client `web`, making both if need be.
    pub async fn login(&self) -> Reply {
        if clients::find(self.store(), "web").await.is_err() {
            self.public("web").await;
        }
        if users::find(self.store(), "alice").await.is_err() {
            self.user("alice").await;
        }
        self.login_as("alice", "web").await
    }

    pub async fn login_as(&self, user: &str, client: &str) -> Reply {
        let form =
            [("grant_type", "password"), ("client_id", client), ("username", user), ("password", PASSWORD)];
        self.post("/token", &form).await.assert_ok()
    }

    pub async fn refresh(&self, token: &str) -> Reply {
        let form = [("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", token)];
        self.post("/token", &form).await
    }

    /// Whether a resource server that asks is told that the token is good.
    pub async fn is_active(&self, token: &str) -> bool {
        if clients::find(self.store(), "api").await.is_err() {
            let secret = self.confidential("api").await;
            std::fs::write(self.backend.folder.path().join("api-secret"), secret).unwrap();
        }
        let secret = std::fs::read_to_string(self.backend.folder.path().join("api-secret")).unwrap();
        let reply = self.post_as(("api", &secret), "/introspect", &[("token", token)]).await.assert_ok();
        if reply.body["active"] == false {
            assert_eq!(reply.body, serde_json::json!({ "active": false }));
        }
        reply.body["active"].as_bool().unwrap()
    }
}

impl Server {
    fn start(app: App, listener: TcpListener) -> Self {
        let (server, _) = chancery::http::serve(app, listener, Some(1)).unwrap();
        let handle = server.handle();
        let thread = std::thread::spawn(|| actix_rt::System::new().block_on(server));
        Self { handle, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The command is sent at once; that it is done shows in the end of the thread.
        drop(self.handle.stop(false));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The claims and header of a token, unverified.
pub fn decode(token: &str) -> (Value, Value) {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let part = |number: usize| {
        let text = token.split('.').nth(number).unwrap();
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    (part(1), part(0))
}

pub fn load(backend: &Backend, url: &str, settings: &[(&str, &str)]) -> Settings {
    let defaults = [
        ("issuer.url", url),
        ("keys.master_key", MASTER_KEY),
        ("password.memory_kib", "8"),
        ("password.iterations", "1"),
    ];
    let backend = backend.settings();
    let backend = backend.iter().map(|(key, value)| (*key, value.as_str()));
    let settings = defaults.into_iter().chain(backend).chain(settings.iter().copied());
    let environment =
        settings.map(|(key, value)| (chancery::config::variable_of(key), value.to_owned())).collect();
    Settings::load(&Sources { environment, ..Sources::default() }).unwrap()
}
