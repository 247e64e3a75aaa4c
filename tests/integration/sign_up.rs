//! People who make an account.

use futures_util::future::join;
use serde_json::{Value, json};

use super::page::{APP, Tab, set_cookies};
use super::support::{Reply, Service};
use chancery::accounts::users;

const OPEN: (&str, &str) = ("accounts.sign_up", "true");
const GOOD: &str = "seven green bottles fell";

impl Service {
    async fn sign_up(&self, body: Value) -> Reply {
        self.send("POST", "/account", &[("origin", APP)], Some(&body.to_string())).await
    }

    pub async fn sign_up_as(&self, name: &str) -> Reply {
        self.sign_up(json!({ "username": name, "password": GOOD })).await
    }

    async fn sign_up_from(&self, address: &str, name: &str) -> Reply {
        let body = json!({ "username": name, "password": GOOD }).to_string();
        let headers = [("origin", APP), ("x-forwarded-for", address)];
        self.send("POST", "/account", &headers, Some(&body)).await
    }

    async fn sign_in_as(&self, name: &str, password: &str) -> Reply {
        let body = json!({ "username": name, "password": password }).to_string();
        self.send("POST", "/session/login", &[("origin", APP)], Some(&body)).await
    }
}

#[actix_rt::test]
async fn whoever_signs_up_can_log_in() {
    let service = Service::browser(&[OPEN]).await;
    let body = json!({ "username": "Bob", "password": GOOD, "email": "bob@example.com" });
    let reply = service.sign_up(body).await;
    assert_eq!((reply.status, reply.header("cache-control")), (201, "no-store"));
    assert!(set_cookies(&reply).is_empty());
    let user = users::find(service.store(), "bob").await.unwrap();
    assert_eq!(reply.body, json!({ "sub": user.id, "username": "Bob" }));
    assert_eq!((user.email.as_deref(), user.scopes), (Some("bob@example.com"), None));
    let login = service.sign_in_as("bob", GOOD).await.assert_ok();
    assert_eq!(login.text("scope"), "read write");
    assert_eq!(service.page("GET", "/account", &Tab::of(&login)).await.assert_ok().text("username"), "Bob");
}

#[actix_rt::test]
async fn nobody_signs_up_where_that_is_not_set_or_from_another_page() {
    let service = Service::browser(&[]).await;
    service.sign_up_as("bob").await.assert_error(403, "access_denied");
    let service = Service::browser(&[OPEN]).await;
    let body = json!({ "username": "bob", "password": GOOD }).to_string();
    for headers in [&[][..], &[("origin", "https://evil.example")]] {
        service.send("POST", "/account", headers, Some(&body)).await.assert_error(403, "access_denied");
    }
    assert!(users::find(service.store(), "bob").await.is_err());
}

#[actix_rt::test]
async fn a_name_is_taken_once_however_it_is_written() {
    let service = Service::browser(&[OPEN]).await;
    for name in ["alice", "ALICE", "ａｌｉｃｅ"] {
        service.sign_up_as(name).await.assert_error(409, "username_taken");
    }
    let (one, two) = join(service.sign_up_as("bob"), service.sign_up_as("Bob")).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[actix_rt::test]
async fn what_is_no_name_or_address_is_refused() {
    let service = Service::browser(&[OPEN]).await;
    for body in [
        json!({ "password": GOOD }),
        json!({ "username": "bob" }),
        json!({ "username": "bob smith", "password": GOOD }),
        json!({ "username": "12345678-1234-4123-8123-123456789abc", "password": GOOD }),
        json!({ "username": "bob", "password": GOOD, "email": "bob" }),
        json!({ "username": "bob", "password": "x".repeat(1025) }),
    ] {
        service.sign_up(body).await.assert_error(400, "invalid_request");
    }
}

#[actix_rt::test]
async fn a_password_that_is_short_common_or_the_users_name_is_refused() {
    let service = Service::browser(&[OPEN]).await;
    for weak in ["kJ8#bq2", "password", "Gutenberg", "johannes.g1"] {
        let body = json!({ "username": "gutenberg", "password": weak, "email": "johannes.g@example.com" });
        let reply = service.sign_up(body).await;
        reply.assert_error(400, "weak_password");
        assert!(reply.text("error_description").starts_with("the password "), "{reply:?}");
    }
    let settings = [OPEN, ("accounts.min_password_length", "12"), ("accounts.min_password_score", "0")];
    let service = Service::browser(&settings).await;
    let with = |password: &str| json!({ "username": "bob", "password": password });
    service.sign_up(with("abababababa")).await.assert_error(400, "weak_password");
    assert_eq!(service.sign_up(with("abababababab")).await.status, 201);
}

#[actix_rt::test]
async fn a_password_is_the_same_from_every_keyboard_and_may_be_long() {
    let service = Service::browser(&[OPEN]).await;
    let long = "crème brûlée à la façon de grand-mère ".repeat(20);
    let decomposed = long.replace('è', "e\u{300}").replace('û', "u\u{302}");
    let reply = service.sign_up(json!({ "username": "bob", "password": decomposed })).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    service.sign_in_as("bob", &long).await.assert_ok();
}

#[actix_rt::test]
async fn a_network_asks_for_so_many_accounts_and_no_more_be_they_made_or_not() {
    let limits = [("limits.new_passwords", "3"), ("limits.new_password_interval", "1m")];
    let settings = [&[OPEN, ("server.trusted_proxies", "127.0.0.1")], &limits[..]].concat();
    let service = Service::browser(&settings).await;
    let from = "198.51.100.7";
    assert_eq!(service.sign_up_from(from, "bob").await.status, 201);
    service.sign_up_from(from, "bob").await.assert_error(409, "username_taken");
    service.sign_up_from(from, "alice").await.assert_error(409, "username_taken");
    for name in ["carol", "alice"] {
        let reply = service.sign_up_from(from, name).await;
        reply.assert_error(429, "too_many_requests");
        assert_eq!(reply.header("retry-after"), "60");
    }
    assert_eq!(service.sign_up_from("203.0.113.1", "carol").await.status, 201);
    service.sign_in_as("alice", super::support::PASSWORD).await.assert_ok();
    service.pass(60);
    assert_eq!(service.sign_up_from(from, "dave").await.status, 201);
    service.sign_up_from(from, "erin").await.assert_error(429, "too_many_requests");
}

#[actix_rt::test]
async fn no_name_reads_as_another_users_id() {
    let service = Service::browser(&[OPEN]).await;
    let id = users::find(service.store(), "alice").await.unwrap().id;
    let wide = |c: char| char::from_u32(c as u32 - 0x30 + 0xff10).unwrap();
    let first = id.chars().position(|c| c.is_ascii_digit()).unwrap();
    let look_alike = id.chars().enumerate().map(|(at, c)| if at == first { wide(c) } else { c });
    for name in [id.clone(), id.to_uppercase(), look_alike.collect()] {
        service.sign_up_as(&name).await.assert_error(400, "invalid_request");
    }
    assert_eq!(users::find(service.store(), &id).await.unwrap().username, "alice");
}
