//! `POST /introspect`.

use super::support::{Service, decode};
use serde_json::json;

#[actix_rt::test]
async fn an_access_token_is_described_with_its_claims() {
    let service = Service::start().await;
    let login = service.login().await;
    let secret = service.confidential("api").await;
    let form = [("token", login.text("access_token"))];
    let reply = service.post_as(("api", &secret), "/introspect", &form).await.assert_ok();
    let (claims, _) = decode(login.text("access_token"));
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(&reply.body[name], value, "{name}");
    }
    assert_eq!(reply.body["active"], true);
    assert_eq!(reply.body["token_type"], "Bearer");
    assert_eq!(reply.body["username"], "alice");
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[actix_rt::test]
async fn only_the_current_refresh_token_is_active() {
    let service = Service::start_with(&[("tokens.refresh_reuse_leeway", "10s")]).await;
    let first = service.login().await;
    assert!(service.is_active(first.text("refresh_token")).await);
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    assert!(!service.is_active(first.text("refresh_token")).await);
    assert!(service.is_active(second.text("refresh_token")).await);
    // Asking is no reuse.
    service.refresh(second.text("refresh_token")).await.assert_ok();
}

#[actix_rt::test]
async fn an_expired_token_is_inactive() {
    let service = Service::start().await;
    let login = service.login().await;
    service.pass(599);
    assert!(service.is_active(login.text("access_token")).await);
    service.pass(1);
    assert!(!service.is_active(login.text("access_token")).await);
}

#[actix_rt::test]
async fn tampered_and_foreign_tokens_are_inactive() {
    let service = Service::start().await;
    let login = service.login().await;
    let token = login.text("access_token");
    let parts: Vec<_> = token.split('.').collect();
    let none = "eyJhbGciOiJub25lIn0";
    let other = Service::start().await;
    let foreign = other.login().await;
    for bad in [
        format!("{}.{}.", none, parts[1]),
        format!("{}.{}.{}", parts[0], parts[1], parts[2].replace(&parts[2][..2], "AA")),
        format!("{}.{}", parts[0], parts[1]),
        foreign.text("access_token").to_owned(),
        String::from("..."),
    ] {
        assert!(!service.is_active(&bad).await, "{bad}");
    }
}

#[actix_rt::test]
async fn it_needs_a_confidential_client() {
    let service = Service::start().await;
    let login = service.login().await;
    let token = ("token", login.text("access_token"));
    service.post("/introspect", &[token]).await.assert_error(401, "invalid_client");
    service.post("/introspect", &[token, ("client_id", "web")]).await.assert_error(401, "invalid_client");
    let by_header = service.post_as(("web", ""), "/introspect", &[token]).await;
    by_header.assert_error(401, "invalid_client");
    assert!(by_header.header("www-authenticate").starts_with("Basic"));
    service.confidential("api").await;
    service.post_as(("api", "wrong"), "/introspect", &[token]).await.assert_error(401, "invalid_client");
}

#[actix_rt::test]
async fn a_missing_token_is_an_error() {
    let service = Service::start().await;
    let secret = service.confidential("api").await;
    service.post_as(("api", &secret), "/introspect", &[]).await.assert_error(400, "invalid_request");
    let empty = service.post_as(("api", &secret), "/introspect", &[("token", "x")]).await.assert_ok();
    assert_eq!(empty.body, json!({ "active": false }));
}
