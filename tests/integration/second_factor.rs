//! Logins of users with a second factor.

use chancery::accounts::{Grant, User, users};
use futures_util::future::join_all;
use serde_json::json;

use super::page::{APP, Tab, set_cookies};
use super::support::{NO_LIMITS, PASSWORD, Reply, Service, decode};

pub const GRANT: &str = "urn:chancery:params:oauth:grant-type:mfa-otp";

/// A user's app, and the recovery codes on paper.
pub struct Phone {
    pub user: User,
    /// Where it was set up.
    pub tab: Tab,
    pub secret: String,
    pub recovery_codes: Vec<String>,
}

impl Phone {
    /// The code that the app shows now, or so many seconds away.
    pub fn code(&self, service: &Service, seconds: i64) -> String {
        code(&self.secret, service, seconds)
    }
}

/// What an app makes of a secret.
pub fn code(secret: &str, service: &Service, seconds: i64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(u64::try_from(service.now().as_unix() + seconds).unwrap()).to_string()
}

impl Service {
    /// Gives `alice` an app, and waits until its next code.
    pub async fn enrol(&self) -> Phone {
        let tab = Tab::of(&self.sign_in().await.assert_ok());
        let secret = self.propose(&tab).await.assert_ok().text("secret").to_owned();
        let reply = self.confirm(&tab, &code(&secret, self, 0)).await.assert_ok();
        let recovery_codes = serde_json::from_value(reply.body["recovery_codes"].clone()).unwrap();
        self.pass(30);
        let user = users::find(self.store(), "alice").await.unwrap();
        Phone { user, tab, secret, recovery_codes }
    }

    pub async fn propose(&self, tab: &Tab) -> Reply {
        let body = json!({ "password": PASSWORD }).to_string();
        self.page_with("POST", "/account/totp", tab, &body).await
    }

    pub async fn confirm(&self, tab: &Tab, otp: &str) -> Reply {
        let body = json!({ "otp": otp }).to_string();
        self.page_with("POST", "/account/totp/confirm", tab, &body).await
    }

    /// The password, and whatever else.
    pub async fn password_and(&self, more: &[(&str, &str)]) -> Reply {
        let form = [("client_id", "web"), ("username", "alice"), ("password", PASSWORD)];
        self.post("/token", &[&form, more].concat()).await
    }

    /// The token that the password yields.
    pub async fn mfa_token(&self) -> String {
        let reply = self.password_and(&[]).await;
        reply.assert_error(400, "mfa_required");
        reply.text("mfa_token").to_owned()
    }

    pub async fn second_step(&self, token: &str, code: (&str, &str)) -> Reply {
        let form = [("grant_type", GRANT), ("client_id", "web"), ("mfa_token", token), code];
        self.post("/token", &form).await
    }
}

/// Alice with her phone, and a client that pages use as well.
pub async fn service(settings: &[(&str, &str)]) -> (Service, Phone) {
    let service = Service::browser(settings).await;
    let phone = service.enrol().await;
    (service, phone)
}

#[track_caller]
pub fn assert_logged_in(reply: Reply, amr: &[&str]) {
    let reply = reply.assert_ok();
    let (claims, _) = decode(reply.text("access_token"));
    assert_eq!(claims["amr"], json!(amr));
}

#[actix_rt::test]
async fn the_password_alone_yields_a_token_that_a_code_must_follow() {
    let (service, phone) = service(&[]).await;
    let reply = service.password_and(&[("scope", "read")]).await;
    reply.assert_error(400, "mfa_required");
    assert_eq!(reply.body["expires_in"], 300);
    let token = reply.text("mfa_token");
    assert!(token.starts_with("cm1_"));
    let reply = service.second_step(token, ("otp", &phone.code(&service, 0))).await.assert_ok();
    assert_eq!(reply.text("scope"), "read");
    service.refresh(reply.text("refresh_token")).await.assert_ok();
    assert_logged_in(reply, &["pwd", "otp", "mfa"]);
}

#[actix_rt::test]
async fn the_code_may_come_with_the_password() {
    let (service, phone) = service(&[]).await;
    let code = phone.code(&service, 0);
    assert_logged_in(service.password_and(&[("otp", &code)]).await, &["pwd", "otp", "mfa"]);
    let reply = service.password_and(&[("recovery_code", &phone.recovery_codes[0])]).await;
    assert_logged_in(reply, &["pwd", "mfa"]);
    let both = [("otp", code.as_str()), ("recovery_code", &phone.recovery_codes[1])];
    service.password_and(&both).await.assert_error(400, "invalid_request");
}

#[actix_rt::test]
async fn who_has_no_second_factor_logs_in_whatever_code_is_sent() {
    let service = Service::start().await;
    service.login().await;
    assert_logged_in(service.password_and(&[("otp", "123456")]).await, &["pwd"]);
    assert_logged_in(service.password_and(&[("otp", ""), ("recovery_code", "")]).await, &["pwd"]);
}

#[actix_rt::test]
async fn a_wrong_password_is_answered_the_same_with_a_second_factor_and_without() {
    let (service, phone) = service(&NO_LIMITS).await;
    service.user("bob").await;
    let code = phone.code(&service, 0);
    let mut bodies = Vec::new();
    for name in ["alice", "bob", "nobody"] {
        for otp in ["", "000000", &code] {
            let form = [("client_id", "web"), ("username", name), ("password", "wrong"), ("otp", otp)];
            let reply = service.post("/token", &form).await;
            reply.assert_error(400, "invalid_grant");
            bodies.push(reply.body);
        }
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
    assert_logged_in(service.password_and(&[("otp", &code)]).await, &["pwd", "otp", "mfa"]);
}

#[actix_rt::test]
async fn a_code_is_good_a_step_early_and_late_and_never_after_a_later_one() {
    let (service, phone) = service(&NO_LIMITS).await;
    service.pass(300);
    for far in [-60, 60] {
        let reply = service.password_and(&[("otp", &phone.code(&service, far))]).await;
        reply.assert_error(400, "invalid_grant");
    }
    for seconds in [-30, 0, 30] {
        service.password_and(&[("otp", &phone.code(&service, seconds))]).await.assert_ok();
    }
    for seconds in [-30, 0, 30] {
        let reply = service.password_and(&[("otp", &phone.code(&service, seconds))]).await;
        reply.assert_error(400, "invalid_grant");
    }
}

#[actix_rt::test]
async fn a_recovery_code_works_once_however_it_is_typed() {
    let (service, phone) = service(&[]).await;
    let typed = phone.recovery_codes[3].to_lowercase().replace('-', " ");
    let token = service.mfa_token().await;
    assert_logged_in(service.second_step(&token, ("recovery_code", &typed)).await, &["pwd", "mfa"]);
    let again = service.second_step(&token, ("recovery_code", &phone.recovery_codes[3])).await;
    again.assert_error(400, "invalid_grant");
    let reply = service.second_step(&token, ("recovery_code", &phone.recovery_codes[4])).await;
    assert_logged_in(reply, &["pwd", "mfa"]);
}

#[actix_rt::test]
async fn after_a_wrong_code_the_token_may_be_shown_again_until_it_expires() {
    let (service, phone) = service(&[]).await;
    let token = service.mfa_token().await;
    for wrong in ["000000", "12345", "abcdef", "１２３４５６"] {
        service.second_step(&token, ("otp", wrong)).await.assert_error(400, "invalid_grant");
    }
    service.pass(299);
    let right = phone.code(&service, 0);
    service.second_step(&token, ("otp", &right)).await.assert_ok();
    let token = service.mfa_token().await;
    service.pass(300);
    let reply = service.second_step(&token, ("otp", &phone.code(&service, 0))).await;
    reply.assert_error(400, "invalid_grant");
    assert!(reply.text("error_description").contains("mfa_token"));
}

#[actix_rt::test]
async fn the_token_is_its_clients_and_its_doors_alone() {
    let (service, phone) = service(&[]).await;
    service.public("other").await;
    service.public_with("refreshing", |client| client.grants = vec![Grant::RefreshToken]).await;
    let (token, code) = (service.mfa_token().await, phone.code(&service, 0));
    for (client, error) in [("other", "invalid_grant"), ("refreshing", "unauthorized_client")] {
        let form = [("grant_type", GRANT), ("client_id", client), ("mfa_token", &token), ("otp", &code)];
        service.post("/token", &form).await.assert_error(400, error);
    }
    let page = json!({ "mfa_token": token, "otp": code }).to_string();
    let origin = [("origin", APP)];
    service.send("POST", "/session/login", &origin, Some(&page)).await.assert_error(400, "invalid_grant");
    service.second_step(&token, ("otp", &code)).await.assert_ok();
}

#[actix_rt::test]
async fn a_page_logs_in_in_two_steps_or_one() {
    let (service, phone) = service(&[]).await;
    let origin = [("origin", APP)];
    let reply = service.sign_in().await;
    reply.assert_error(400, "mfa_required");
    assert!(set_cookies(&reply).is_empty());
    let second = json!({ "mfa_token": reply.text("mfa_token"), "otp": phone.code(&service, 0) }).to_string();
    let reply = service.send("POST", "/session/login", &origin, Some(&second)).await.assert_ok();
    let tab = Tab::of(&reply);
    let info = service.page("GET", "/session", &tab).await.assert_ok();
    assert_eq!(info.body["amr"], json!(["pwd", "otp", "mfa"]));
    let code = &phone.recovery_codes[0];
    let at_once = json!({ "username": "alice", "password": PASSWORD, "recovery_code": code }).to_string();
    let reply = service.send("POST", "/session/login", &origin, Some(&at_once)).await;
    assert_logged_in(reply, &["pwd", "mfa"]);
}

#[actix_rt::test]
async fn a_token_without_a_code_or_a_client_is_no_request() {
    let (service, phone) = service(&[("oauth.default_client", "web")]).await;
    let (token, code) = (service.mfa_token().await, phone.code(&service, 0));
    let form = [("grant_type", GRANT), ("mfa_token", &token), ("otp", &code)];
    service.post("/token", &form[..2]).await.assert_error(400, "invalid_request");
    service.post("/token", &[form[0], form[2]]).await.assert_error(401, "invalid_client");
    service.get(&format!("/token?mfa_token={token}")).await;
    service.post(&format!("/token?mfa_token={token}"), &form).await.assert_error(400, "invalid_request");
    // The default client is meant where none is named.
    service.post("/token", &form).await.assert_ok();
}

#[actix_rt::test]
async fn the_token_is_spent_by_a_change_of_the_user() {
    let (service, phone) = service(&[]).await;
    let (token, now) = (service.mfa_token().await, service.now());
    users::disable(service.store(), &phone.user, now).await.unwrap();
    let code = phone.code(&service, 0);
    service.second_step(&token, ("otp", &code)).await.assert_error(400, "invalid_grant");
    users::enable(service.store(), &phone.user, now).await.unwrap();
    users::set_password(service.store(), &phone.user, service.hash(PASSWORD).await, now).await.unwrap();
    service.second_step(&token, ("otp", &code)).await.assert_error(400, "invalid_grant");
    let token = service.mfa_token().await;
    service.second_step(&token, ("otp", &code)).await.assert_ok();
}

#[actix_rt::test]
async fn an_old_hash_is_upgraded_at_the_first_step_and_the_second_goes_on() {
    let (service, phone) = service(&[]).await;
    let old = "$2b$04$oqe9lj86GATUMyVpCpFCJ.1D7z15dLH/wbiquCWtWe05C.XqpP89G".to_owned();
    users::set_password(service.store(), &phone.user, old, service.now()).await.unwrap();
    let login = |more: Vec<(&'static str, String)>| {
        let form = [("client_id", "web"), ("username", "alice"), ("password", "e\u{301}clair")];
        let form: Vec<_> =
            form.map(|(name, value)| (name, value.to_owned())).into_iter().chain(more).collect();
        let service = &service;
        async move {
            let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            service.post("/token", &form).await
        }
    };
    let replies = join_all((0..4).map(|_| login(Vec::new()))).await;
    for (number, reply) in replies.iter().enumerate() {
        reply.assert_error(400, "mfa_required");
        let code = ("recovery_code", phone.recovery_codes[number].as_str());
        service.second_step(reply.text("mfa_token"), code).await.assert_ok();
    }
    let id = phone.user.id.clone();
    let row = service.store().read(move |conn| chancery::store::users::find(conn, &id)).await.unwrap();
    assert!(row.unwrap().password_hash.starts_with("$argon2id$"));
}

#[actix_rt::test]
async fn the_metadata_names_the_grant() {
    let service = Service::start().await;
    let metadata = service.get("/.well-known/oauth-authorization-server").await.assert_ok();
    let grants = metadata.body["grant_types_supported"].as_array().unwrap().clone();
    assert_eq!(grants.last().unwrap(), GRANT);
}
