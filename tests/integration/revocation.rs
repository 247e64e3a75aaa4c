//! `POST /revoke`.

use super::support::{PASSWORD, Service};
use serde_json::json;

#[actix_rt::test]
async fn revoking_a_refresh_token_ends_the_session_and_its_access_tokens() {
    let service = Service::start().await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    assert!(service.is_active(first.text("access_token")).await);
    let form = [("client_id", "web"), ("token", second.text("refresh_token"))];
    let reply = service.post("/revoke", &form).await.assert_ok();
    assert_eq!(
        (reply.body, reply.headers["content-type"].to_str().unwrap()),
        (json!({}), "application/json")
    );
    for token in ["access_token", "refresh_token"] {
        assert!(!service.is_active(first.text(token)).await);
        assert!(!service.is_active(second.text(token)).await);
    }
    service.refresh(second.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.post("/revoke", &form).await.assert_ok();
}

#[actix_rt::test]
async fn revoking_an_access_token_leaves_the_session() {
    let service = Service::start().await;
    let first = service.login().await;
    let form =
        [("client_id", "web"), ("token", first.text("access_token")), ("token_type_hint", "refresh_token")];
    service.post("/revoke", &form).await.assert_ok();
    service.post("/revoke", &form).await.assert_ok();
    assert!(!service.is_active(first.text("access_token")).await);
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    assert!(service.is_active(second.text("access_token")).await);
    assert_eq!(super::store::count_rows(&service).await, (1, 1));
}

#[actix_rt::test]
async fn a_public_client_need_not_name_itself() {
    let service = Service::start().await;
    for kind in ["access_token", "refresh_token"] {
        let login = service.login().await;
        service.post("/revoke", &[("token", login.text(kind))]).await.assert_ok();
        assert!(!service.is_active(login.text(kind)).await);
    }
}

#[actix_rt::test]
async fn unknown_and_foreign_tokens_are_answered_200_and_left_alone() {
    let service = Service::start().await;
    let login = service.login().await;
    service.public("other").await;
    for token in ["nonsense", "cr1_AAAA", login.text("access_token"), login.text("refresh_token")] {
        let reply = service.post("/revoke", &[("client_id", "other"), ("token", token)]).await.assert_ok();
        assert_eq!(reply.body, json!({}));
    }
    service.post("/revoke", &[("token", "nonsense")]).await.assert_ok();
    assert!(service.is_active(login.text("access_token")).await);
    service.refresh(login.text("refresh_token")).await.assert_ok();
}

#[actix_rt::test]
async fn a_confidential_clients_token_needs_its_secret() {
    let service = Service::start().await;
    service.user("alice").await;
    let secret = service.confidential("server").await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    let login = service.post_as(("server", &secret), "/token", &form).await.assert_ok();
    let token = [("token", login.text("refresh_token"))];
    service.post("/revoke", &token).await.assert_error(401, "invalid_client");
    service.post_as(("server", "wrong"), "/revoke", &token).await.assert_error(401, "invalid_client");
    assert!(service.is_active(login.text("access_token")).await);
    service.post_as(("server", &secret), "/revoke", &token).await.assert_ok();
    assert!(!service.is_active(login.text("access_token")).await);
}

#[actix_rt::test]
async fn the_blacklist_forgets_expired_tokens_and_ended_sessions() {
    let service = Service::start().await;
    let first = service.login().await;
    service.post("/revoke", &[("token", first.text("access_token"))]).await.assert_ok();
    let purge = || chancery::tokens::blacklist::purge(service.store(), service.now());
    purge().await.unwrap();
    assert_eq!(super::store::count_rows(&service).await, (1, 1));
    service.pass(600);
    assert!(!service.is_active(first.text("access_token")).await);
    // By another instance's clock the token may still be good.
    assert_eq!(purge().await.unwrap(), 0);
    service.pass(60);
    assert_eq!(purge().await.unwrap(), 1);
    assert_eq!(super::store::count_rows(&service).await, (1, 0));
    service.pass(31 * 86400);
    assert_eq!(purge().await.unwrap(), 1);
    assert_eq!(super::store::count_rows(&service).await, (0, 0));
}
