//! What people see and change of their own account.

use chancery::accounts::self_service::{self, Confirmation};
use chancery::accounts::users;
use chancery::tokens::SessionId;
use futures_util::future::join;
use serde_json::json;

use super::page::{APP, COOKIE, Tab, assert_signed_out, assert_unknown};
use super::support::{PASSWORD, Reply, Service};

#[actix_rt::test]
async fn whoever_is_logged_in_sees_the_account() {
    let service = Service::browser(&[]).await;
    let user = users::find(service.store(), "alice").await.unwrap();
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let reply = service.page("GET", "/account", &tab).await.assert_ok();
    assert_eq!(reply.header("cache-control"), "no-store");
    let wanted = json!({ "sub": user.id, "username": "alice", "email": "alice@example.com",
        "created_at": user.created_at.as_unix(), "totp": false });
    assert_eq!(reply.body, wanted);
    // It was only asked.
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
}

#[actix_rt::test]
async fn an_account_is_shown_to_nobody_else() {
    let service = Service::browser(&[]).await;
    let reply = service.sign_in().await.assert_ok();
    let (tab, access_token) = (Tab::of(&reply), reply.text("access_token"));
    let bearer = format!("Bearer {access_token}");
    assert_unknown(&service.send("GET", "/account", &[("authorization", &bearer)], None).await);
    service.public("other").await;
    let other = service.login_as("alice", "other").await;
    let foreign = Tab { cookies: format!("{COOKIE}={}", other.text("refresh_token")), ..tab.clone() };
    assert_signed_out(&service.page("GET", "/account", &foreign).await);
    service.page("POST", "/session/logout", &tab).await.assert_ok();
    assert_signed_out(&service.page("GET", "/account", &tab).await);
}

#[actix_rt::test]
async fn a_disabled_user_is_not_logged_in() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let user = users::find(service.store(), "alice").await.unwrap();
    users::disable(service.store(), &user, service.now()).await.unwrap();
    assert_signed_out(&service.page("GET", "/account", &tab).await);
}

impl Service {
    async fn change_password(&self, tab: &Tab, current: &str, new: &str) -> Reply {
        let body = json!({ "current_password": current, "new_password": new }).to_string();
        self.page_with("PUT", "/account/password", tab, &body).await
    }
}

const NEW: &str = "a new battery for the same horse";

#[actix_rt::test]
async fn a_new_password_closes_the_other_sessions_and_leaves_this_one() {
    let service = Service::browser(&[]).await;
    let [tab, other] = [0, 1].map(|_| service.sign_in());
    let (tab, other) = (Tab::of(&tab.await.assert_ok()), Tab::of(&other.await.assert_ok()));
    let elsewhere = service.login_as("alice", "web").await;
    let reply = service.change_password(&tab, PASSWORD, NEW).await.assert_ok();
    assert_eq!((reply.body, &reply.headers["cache-control"]), (json!({}), &"no-store".parse().unwrap()));
    assert_signed_out(&service.page("GET", "/session", &other).await);
    service.refresh(elsewhere.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
    service.sign_in().await.assert_error(400, "invalid_grant");
    service.sign_in_with(NEW).await.assert_ok();
}

#[actix_rt::test]
async fn a_new_password_takes_the_current_one_a_page_of_ours_and_its_csrf_token() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let reply = service.change_password(&tab, "wrong", NEW).await;
    reply.assert_error(400, "invalid_grant");
    assert_eq!(reply.text("error_description"), "the current password is wrong");
    let body = json!({ "current_password": PASSWORD, "new_password": NEW }).to_string();
    let (cookie, csrf) = (("cookie", tab.cookies.as_str()), ("x-csrf-token", tab.csrf_token.as_str()));
    for headers in
        [&[cookie, csrf][..], &[("origin", APP), cookie], &[("origin", "https://evil.example"), cookie, csrf]]
    {
        let reply = service.send("PUT", "/account/password", headers, Some(&body)).await;
        reply.assert_error(403, "access_denied");
    }
    let reply = service.send("PUT", "/account/password", &[("origin", APP), csrf], Some(&body)).await;
    assert_unknown(&reply);
    service.sign_in().await.assert_ok();
}

#[actix_rt::test]
async fn wrong_current_passwords_are_counted_for_the_session_and_for_nothing_else() {
    let service = Service::browser(&[]).await;
    let thief = Tab::of(&service.sign_in().await.assert_ok());
    for _ in 0..5 {
        service.change_password(&thief, "wrong", NEW).await.assert_error(400, "invalid_grant");
    }
    let reply = service.change_password(&thief, PASSWORD, NEW).await;
    reply.assert_error(429, "too_many_requests");
    assert_eq!(reply.header("retry-after"), "2");
    // The owner logs in as before, and has guesses of their own.
    let owner = Tab::of(&service.sign_in().await.assert_ok());
    service.change_password(&owner, PASSWORD, NEW).await.assert_ok();
    assert_signed_out(&service.change_password(&thief, NEW, PASSWORD).await);
}

#[actix_rt::test]
async fn of_two_password_changes_at_once_one_is_made() {
    let service = Service::browser(&[("password.memory_kib", "19456")]).await;
    let [one, other] =
        [service.sign_in().await, service.sign_in().await].map(|reply| Tab::of(&reply.assert_ok()));
    let (one, other) = join(
        service.change_password(&one, PASSWORD, "the first of two"),
        service.change_password(&other, PASSWORD, NEW),
    )
    .await;
    let won = [&one, &other].iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1, "{one:?} {other:?}");
    let password = if one.status == 200 { "the first of two" } else { NEW };
    service.sign_in_with(password).await.assert_ok();
}

#[actix_rt::test]
async fn a_new_password_must_be_no_weak_one() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    for weak in ["short", "password1", "alice@example.com"] {
        service.change_password(&tab, PASSWORD, weak).await.assert_error(400, "weak_password");
    }
    service.sign_in().await.assert_ok();
}

#[actix_rt::test]
async fn a_network_chooses_so_many_passwords_and_no_more_for_accounts_old_and_new() {
    let limits = [("limits.new_passwords", "2"), ("limits.new_password_interval", "1m")];
    let service = Service::browser(&[&limits[..], &[("accounts.sign_up", "true")]].concat()).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    service.change_password(&tab, PASSWORD, "alice@example.com").await.assert_error(400, "weak_password");
    // Whoever cannot tell the current password costs the network nothing.
    service.change_password(&tab, "wrong", NEW).await.assert_error(400, "invalid_grant");
    service.change_password(&tab, PASSWORD, NEW).await.assert_ok();
    let reply = service.change_password(&tab, NEW, PASSWORD).await;
    reply.assert_error(429, "too_many_requests");
    assert_eq!(reply.text("error_description"), "too many new passwords; try again later");
    assert_eq!(reply.header("retry-after"), "60");
    service.sign_up_as("bob").await.assert_error(429, "too_many_requests");
    service.pass(60);
    service.change_password(&tab, NEW, PASSWORD).await.assert_ok();
}

#[actix_rt::test]
async fn a_login_with_the_old_password_beside_its_change_leaves_no_session() {
    for _ in 0..5 {
        let service = Service::browser(&[]).await;
        let tab = Tab::of(&service.sign_in().await.assert_ok());
        let (changed, login) = join(service.change_password(&tab, PASSWORD, NEW), service.sign_in()).await;
        changed.assert_ok();
        if login.status == 200 {
            assert_signed_out(&service.page("GET", "/session", &Tab::of(&login)).await);
        } else {
            login.assert_error(400, "invalid_grant");
        }
    }
}

#[actix_rt::test]
async fn nothing_is_changed_for_a_session_that_was_ended_or_a_password_that_was_changed_meanwhile() {
    let service = Service::browser(&[]).await;
    let store = service.store();
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let info = service.page("GET", "/session", &tab).await.assert_ok();
    let (user, sid) = (info.text("sub").to_owned(), SessionId::parse(info.text("sid")).unwrap());
    let find = |id: String| store.read(move |conn| chancery::store::users::find(conn, &id));
    let password_hash = find(user.clone()).await.unwrap().unwrap().password_hash;
    let given = Confirmation { user: user.clone(), session: sid.as_bytes().to_vec(), password_hash };
    let other = Confirmation { password_hash: "another".to_owned(), ..given.clone() };
    assert!(!self_service::delete(store, other, service.now()).await.unwrap());
    service.page("POST", "/session/logout", &tab).await.assert_ok();
    assert!(!self_service::delete(store, given.clone(), service.now()).await.unwrap());
    assert!(!self_service::change_password(store, given, "x".to_owned(), service.now()).await.unwrap());
    service.sign_in().await.assert_ok();
}
