//! A page in a browser, as far as the server can tell: what it sends and keeps.

use serde_json::json;

use super::support::{PASSWORD, Reply, Service};

/// The page's origin.
pub const APP: &str = "https://app.example.com";
pub const COOKIE: &str = "__Host-refresh_token";

/// What a browser keeps of a login.
#[derive(Clone)]
pub struct Tab {
    pub cookies: String,
    pub csrf_token: String,
}

impl Tab {
    pub fn of(reply: &Reply) -> Self {
        let pairs: Vec<_> = set_cookies(reply).iter().map(|cookie| pair(cookie)).collect();
        Self { cookies: pairs.join("; "), csrf_token: reply.text("csrf_token").to_owned() }
    }

    fn headers(&self) -> [(&str, &str); 3] {
        [("origin", APP), ("cookie", &self.cookies), ("x-csrf-token", &self.csrf_token)]
    }

    pub fn refresh_token(&self) -> &str {
        self.cookies.split("; ").find_map(|pair| pair.strip_prefix(COOKIE)?.strip_prefix('=')).unwrap()
    }
}

pub fn set_cookies(reply: &Reply) -> Vec<String> {
    reply.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

fn pair(cookie: &str) -> String {
    cookie.split(';').next().unwrap().to_owned()
}

/// The attributes of the one cookie that is set, sorted.
#[track_caller]
pub fn attributes(reply: &Reply) -> Vec<String> {
    let [cookie] = &set_cookies(reply)[..] else { panic!("{reply:?}") };
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).map(ToOwned::to_owned).collect();
    attributes.sort();
    attributes
}

impl Service {
    pub async fn browser(settings: &[(&str, &str)]) -> Self {
        let own = [("browser.client", "web"), ("browser.origins", APP)];
        let service = Self::start_with(&[&own, settings].concat()).await;
        service.public("web").await;
        service.user("alice").await;
        service
    }

    /// A request with these headers; a name that comes twice is sent twice.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        Reply::of(request.send().await.unwrap()).await
    }

    pub async fn sign_in(&self) -> Reply {
        self.sign_in_with(PASSWORD).await
    }

    pub async fn sign_in_with(&self, password: &str) -> Reply {
        let body = json!({ "username": "alice", "password": password }).to_string();
        self.send("POST", "/session/login", &[("origin", APP)], Some(&body)).await
    }

    pub async fn page(&self, method: &str, path: &str, tab: &Tab) -> Reply {
        self.send(method, path, &tab.headers(), None).await
    }

    pub async fn page_with(&self, method: &str, path: &str, tab: &Tab, body: &str) -> Reply {
        self.send(method, path, &tab.headers(), Some(body)).await
    }
}

/// Nobody is logged in, and the cookie goes.
#[track_caller]
pub fn assert_signed_out(reply: &Reply) {
    reply.assert_error(401, "login_required");
    let [cookie] = &set_cookies(reply)[..] else { panic!("{reply:?}") };
    assert!(cookie.starts_with(&format!("{COOKIE}=;")) && cookie.contains("Max-Age=0"), "{cookie}");
}

/// Nobody is logged in, and no cookie was sent that could go.
#[track_caller]
pub fn assert_unknown(reply: &Reply) {
    reply.assert_error(401, "login_required");
    assert!(set_cookies(reply).is_empty(), "{reply:?}");
}
