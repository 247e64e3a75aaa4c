//! What people see of their logins, and end.

use futures_util::future::join;
use serde_json::{Value, json};

use super::page::{APP, Tab, assert_signed_out};
use super::support::{PASSWORD, Service};

impl Service {
    async fn tab(&self) -> Tab {
        Tab::of(&self.sign_in().await.assert_ok())
    }

    async fn sessions(&self, tab: &Tab) -> Vec<Value> {
        let reply = self.page("GET", "/account/sessions", tab).await.assert_ok();
        assert_eq!(reply.header("cache-control"), "no-store");
        reply.body["sessions"].as_array().unwrap().clone()
    }

    async fn sid(&self, tab: &Tab) -> String {
        self.page("GET", "/session", tab).await.assert_ok().text("sid").to_owned()
    }
}

#[actix_rt::test]
async fn a_user_has_so_many_sessions_and_a_login_beyond_ends_the_one_unused_for_longest() {
    let service = Service::browser(&[("limits.sessions", "2")]).await;
    let [one, other] = [service.tab().await, service.tab().await];
    service.pass(1);
    let one = Tab::of(&service.page("POST", "/session/refresh", &one).await.assert_ok());
    service.user("bob").await;
    service.login_as("bob", "web").await;
    let third = service.tab().await;
    assert_signed_out(&service.page("GET", "/session", &other).await);
    for tab in [one, third] {
        assert_eq!(service.sessions(&tab).await.len(), 2);
    }
}

#[actix_rt::test]
async fn all_open_sessions_are_shown_the_last_used_first() {
    let service = Service::browser(&[("server.trusted_proxies", "127.0.0.1")]).await;
    service.user("bob").await;
    service.login_as("bob", "web").await;
    let start = service.now().as_unix();
    let login = json!({ "username": "alice", "password": PASSWORD }).to_string();
    let named = [("origin", APP), ("user-agent", "Phone"), ("x-forwarded-for", "198.51.100.7")];
    let phone = Tab::of(&service.send("POST", "/session/login", &named, Some(&login)).await.assert_ok());
    service.pass(10);
    let tab = service.tab().await;
    service.public("cli").await;
    service.pass(10);
    service.login_as("alice", "cli").await;
    service.pass(10);
    let phone = Tab::of(&service.page("POST", "/session/refresh", &phone).await.assert_ok());
    let sessions = service.sessions(&tab).await;
    let clients: Vec<_> = sessions.iter().map(|session| &session["client_id"]).collect();
    assert_eq!(clients, ["web", "cli", "web"]);
    let wanted = json!({ "sid": service.sid(&phone).await, "client_id": "web", "address": "198.51.100.7",
        "user_agent": "Phone", "created_at": start, "last_used_at": start + 30,
        "expires_at": start + 30 + 7 * 86_400, "current": false });
    assert_eq!(sessions[0], wanted);
    assert_eq!((&sessions[2]["current"], &sessions[2]["user_agent"]), (&json!(true), &json!(null)));
}

#[actix_rt::test]
async fn a_session_that_was_ended_or_has_expired_is_not_shown() {
    let service = Service::browser(&[("tokens.refresh_idle_lifetime", "1h")]).await;
    let ended = service.tab().await;
    service.tab().await;
    service.page("POST", "/session/logout", &ended).await.assert_ok();
    service.pass(40 * 60);
    let tab = service.tab().await;
    assert_eq!(service.sessions(&tab).await.len(), 2);
    service.pass(20 * 60);
    assert_eq!(service.sessions(&tab).await.len(), 1);
}

#[actix_rt::test]
async fn another_session_is_ended_with_its_tokens() {
    let service = Service::browser(&[]).await;
    let tab = service.tab().await;
    let reply = service.sign_in().await.assert_ok();
    let other = Tab::of(&reply);
    let path = format!("/account/sessions/{}", service.sid(&other).await);
    let reply_to_end = service.page("DELETE", &path, &tab).await.assert_ok();
    assert_eq!(reply_to_end.body, json!({}));
    assert!(reply_to_end.headers.get("set-cookie").is_none());
    assert!(!service.is_active(reply.text("access_token")).await);
    assert_signed_out(&service.page("POST", "/session/refresh", &other).await);
    service.page("DELETE", &path, &tab).await.assert_error(404, "not_found");
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
}

#[actix_rt::test]
async fn whoever_ends_the_session_that_asks_is_logged_out() {
    let service = Service::browser(&[]).await;
    let tab = service.tab().await;
    let path = format!("/account/sessions/{}", service.sid(&tab).await);
    let reply = service.page("DELETE", &path, &tab).await.assert_ok();
    assert!(reply.header("set-cookie").contains("Max-Age=0"), "{reply:?}");
    assert_signed_out(&service.page("GET", "/session", &tab).await);
}

#[actix_rt::test]
async fn nobody_ends_another_users_session_or_one_that_there_is_not() {
    let service = Service::browser(&[]).await;
    service.user("bob").await;
    let bob = service.login_as("bob", "web").await;
    let (claims, _) = super::support::decode(bob.text("access_token"));
    let tab = service.tab().await;
    for sid in [claims["sid"].as_str().unwrap(), "00000000-0000-7000-8000-000000000000", "x", "%00"] {
        let reply = service.page("DELETE", &format!("/account/sessions/{sid}"), &tab).await;
        reply.assert_error(404, "not_found");
    }
    service.refresh(bob.text("refresh_token")).await.assert_ok();
    let without_csrf = [("origin", APP), ("cookie", &tab.cookies)];
    for path in ["/account/sessions/x", "/account/sessions"] {
        service.send("DELETE", path, &without_csrf, None).await.assert_error(403, "access_denied");
    }
}

#[actix_rt::test]
async fn all_other_sessions_are_ended_at_once() {
    let service = Service::browser(&[]).await;
    service.user("bob").await;
    let bob = service.login_as("bob", "web").await;
    let [tab, one, two] = [service.tab().await, service.tab().await, service.tab().await];
    let reply = service.page("DELETE", "/account/sessions", &tab).await.assert_ok();
    assert_eq!(reply.body, json!({ "closed": 2 }));
    for other in [&one, &two] {
        assert_signed_out(&service.page("POST", "/session/refresh", other).await);
    }
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
    service.refresh(bob.text("refresh_token")).await.assert_ok();
}

#[actix_rt::test]
async fn of_two_requests_that_end_a_session_at_once_one_does() {
    let service = Service::browser(&[]).await;
    let (tab, other) = (service.tab().await, service.tab().await);
    let path = format!("/account/sessions/{}", service.sid(&other).await);
    let (one, two) = join(service.page("DELETE", &path, &tab), service.page("DELETE", &path, &tab)).await;
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404]);
}
