//! People who delete their account.

use futures_util::future::join;
use serde_json::json;

use super::page::{APP, Tab, assert_signed_out};
use super::support::{PASSWORD, Reply, Service};

impl Service {
    async fn delete_account(&self, tab: &Tab, password: &str) -> Reply {
        self.page_with("POST", "/account/delete", tab, &json!({ "password": password }).to_string()).await
    }
}

#[actix_rt::test]
async fn an_account_is_deleted_with_all_its_sessions() {
    let service = Service::browser(&[]).await;
    let reply = service.sign_in().await.assert_ok();
    let tab = Tab::of(&reply);
    let elsewhere = service.login_as("alice", "web").await;
    let deleted = service.delete_account(&tab, PASSWORD).await.assert_ok();
    assert_eq!(deleted.body, json!({}));
    assert!(deleted.header("set-cookie").contains("Max-Age=0"), "{deleted:?}");
    assert!(!service.is_active(reply.text("access_token")).await);
    assert_signed_out(&service.page("GET", "/account", &tab).await);
    service.refresh(elsewhere.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.sign_in().await.assert_error(400, "invalid_grant");
    // The name is free, and whoever takes it is somebody else.
    service.user("alice").await;
    assert_signed_out(&service.page("GET", "/account", &tab).await);
}

#[actix_rt::test]
async fn a_deletion_takes_the_password_and_the_csrf_token() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    service.delete_account(&tab, "wrong").await.assert_error(400, "invalid_grant");
    let body = json!({ "password": PASSWORD }).to_string();
    let headers = [("origin", APP), ("cookie", &tab.cookies)];
    service.send("POST", "/account/delete", &headers, Some(&body)).await.assert_error(403, "access_denied");
    service.page_with("POST", "/account/delete", &tab, "{}").await.assert_error(400, "invalid_request");
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
}

#[actix_rt::test]
async fn after_a_deletion_that_a_refresh_ran_beside_no_token_is_good() {
    for _ in 0..10 {
        let service = Service::browser(&[]).await;
        let tab = Tab::of(&service.sign_in().await.assert_ok());
        let other = Tab::of(&service.sign_in().await.assert_ok());
        let refresh = service.page("POST", "/session/refresh", &other);
        let (deleted, refreshed) = join(service.delete_account(&tab, PASSWORD), refresh).await;
        deleted.assert_ok();
        if refreshed.status == 200 {
            assert!(!service.is_active(refreshed.text("access_token")).await);
            assert_signed_out(&service.page("POST", "/session/refresh", &Tab::of(&refreshed)).await);
        } else {
            assert_signed_out(&refreshed);
        }
    }
}

#[actix_rt::test]
async fn of_two_deletions_at_once_one_is_made_and_nothing_is_left() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let (one, two) =
        join(service.delete_account(&tab, PASSWORD), service.delete_account(&tab, PASSWORD)).await;
    assert_eq!([&one, &two].iter().filter(|reply| reply.status == 200).count(), 1, "{one:?} {two:?}");
    service.sign_in().await.assert_error(400, "invalid_grant");
}
