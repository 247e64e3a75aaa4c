//! What a token may do and where: never more than client and user are allowed.

use super::support::{PASSWORD, Reply, Service, decode};
use chancery::accounts::{Scopes, clients};
use serde_json::json;

async fn login(service: &Service, extra: &[(&str, &str)]) -> Reply {
    let mut form = vec![("client_id", "web"), ("username", "alice"), ("password", PASSWORD)];
    form.extend(extra);
    service.post("/token", &form).await
}

async fn refresh(service: &Service, token: &str, extra: &[(&str, &str)]) -> Reply {
    let mut form = vec![("grant_type", "refresh_token"), ("client_id", "web"), ("refresh_token", token)];
    form.extend(extra);
    service.post("/token", &form).await
}

async fn with_audiences(audiences: &[&str]) -> Service {
    let service = Service::start().await;
    service.user("alice").await;
    let audiences = audiences.iter().map(|one| (*one).to_owned()).collect();
    service.public_with("web", |client| client.audience = Some(audiences)).await;
    service
}

#[actix_rt::test]
async fn a_request_may_ask_for_less_but_not_for_more() {
    let service = Service::start().await;
    service.login().await;
    assert_eq!(login(&service, &[("scope", "read")]).await.assert_ok().text("scope"), "read");
    login(&service, &[("scope", "read admin")]).await.assert_error(400, "invalid_scope");
    login(&service, &[("scope", "re\"ad")]).await.assert_error(400, "invalid_scope");
}

#[actix_rt::test]
async fn an_omitted_scope_means_the_clients_default() {
    let service = Service::start().await;
    service.user("alice").await;
    service.public_with("web", |client| client.default_scopes = Some(Scopes::parse("read").unwrap())).await;
    assert_eq!(login(&service, &[]).await.assert_ok().text("scope"), "read");
    assert_eq!(login(&service, &[("scope", "write")]).await.assert_ok().text("scope"), "write");
}

#[actix_rt::test]
async fn a_users_scopes_bound_what_any_client_gets() {
    let service = Service::start().await;
    service.user_with("alice", Some("read"), "{}").await;
    service.public("web").await;
    assert_eq!(login(&service, &[]).await.assert_ok().text("scope"), "read");
    login(&service, &[("scope", "write")]).await.assert_error(400, "invalid_scope");
}

#[actix_rt::test]
async fn a_refresh_may_narrow_the_access_token_but_not_the_grant() {
    let service = Service::start().await;
    let first = service.login().await;
    let narrow = refresh(&service, first.text("refresh_token"), &[("scope", "read")]).await.assert_ok();
    assert_eq!(narrow.text("scope"), "read");
    let again = refresh(&service, narrow.text("refresh_token"), &[]).await.assert_ok();
    assert_eq!(again.text("scope"), "read write");
    let token = again.text("refresh_token");
    refresh(&service, token, &[("scope", "read admin")]).await.assert_error(400, "invalid_scope");
    // A refused request spends nothing.
    refresh(&service, token, &[]).await.assert_ok();
}

#[actix_rt::test]
async fn a_scope_that_was_taken_from_the_client_is_gone_at_the_next_refresh() {
    let service = Service::start().await;
    let first = service.login().await;
    let take = |client: &mut clients::Client| {
        client.scopes = Scopes::parse("read").unwrap();
        Ok(())
    };
    clients::alter(service.store(), "web", service.now(), take).await.unwrap();
    let second = refresh(&service, first.text("refresh_token"), &[]).await.assert_ok();
    assert_eq!(second.text("scope"), "read");
    refresh(&service, second.text("refresh_token"), &[("scope", "write")])
        .await
        .assert_error(400, "invalid_scope");
}

#[actix_rt::test]
async fn a_token_without_scopes_has_no_scope_claim() {
    let service = Service::start().await;
    service.user("alice").await;
    service.public_with("web", |client| client.scopes = Scopes::default()).await;
    let reply = login(&service, &[]).await.assert_ok();
    assert!(reply.body.get("scope").is_none());
    assert!(decode(reply.text("access_token")).0.get("scope").is_none());
}

#[actix_rt::test]
async fn a_resource_on_the_clients_list_becomes_the_audience() {
    let service = with_audiences(&["https://a", "https://b", "https://c"]).await;
    let reply = login(&service, &[("resource", "https://b")]).await.assert_ok();
    assert_eq!(decode(reply.text("access_token")).0["aud"], "https://b");
    let two = login(&service, &[("resource", "https://b"), ("resource", "https://a")]).await.assert_ok();
    assert_eq!(decode(two.text("access_token")).0["aud"], json!(["https://b", "https://a"]));
    login(&service, &[("resource", "https://d")]).await.assert_error(400, "invalid_target");
    login(&service, &[("resource", "https://a"), ("resource", "https://d")])
        .await
        .assert_error(400, "invalid_target");
}

#[actix_rt::test]
async fn a_refresh_keeps_to_the_granted_resources() {
    let service = with_audiences(&["https://a", "https://b", "https://c"]).await;
    let granted = [("resource", "https://a"), ("resource", "https://b")];
    let first = login(&service, &granted).await.assert_ok();
    let token = first.text("refresh_token");
    refresh(&service, token, &[("resource", "https://c")]).await.assert_error(400, "invalid_target");
    let narrow = refresh(&service, token, &[("resource", "https://b")]).await.assert_ok();
    assert_eq!(decode(narrow.text("access_token")).0["aud"], "https://b");
    let again = refresh(&service, narrow.text("refresh_token"), &[]).await.assert_ok();
    assert_eq!(decode(again.text("access_token")).0["aud"], json!(["https://a", "https://b"]));
}

#[actix_rt::test]
async fn an_audience_that_was_taken_from_the_client_is_not_issued_again() {
    let service = with_audiences(&["https://a", "https://b"]).await;
    let first = login(&service, &[("resource", "https://a")]).await.assert_ok();
    let take = |client: &mut clients::Client| {
        client.audience = Some(vec!["https://b".to_owned()]);
        Ok(())
    };
    clients::alter(service.store(), "web", service.now(), take).await.unwrap();
    refresh(&service, first.text("refresh_token"), &[]).await.assert_error(400, "invalid_target");
}

#[actix_rt::test]
async fn the_configured_audience_stands_in_for_the_issuer() {
    let service = Service::start_with(&[("tokens.audience", "https://api")]).await;
    let reply = service.login().await;
    assert_eq!(decode(reply.text("access_token")).0["aud"], "https://api");
}
