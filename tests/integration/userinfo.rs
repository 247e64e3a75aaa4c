//! `GET /userinfo`.

use super::support::{Reply, Service};

async fn userinfo(service: &Service, authorization: Option<&str>) -> Reply {
    let mut request = service.http.get(format!("{}/userinfo", service.url));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    Reply::of(request.send().await.unwrap()).await
}

#[actix_rt::test]
async fn it_tells_who_the_bearer_is() {
    let service = Service::start().await;
    let user = service.user_with("alice", None, r#"{"role":"editor"}"#).await;
    let login = service.login().await;
    let reply = userinfo(&service, Some(&format!("bearer {}", login.text("access_token")))).await.assert_ok();
    assert_eq!(reply.text("sub"), user.id);
    assert_eq!(reply.text("preferred_username"), "alice");
    assert_eq!(reply.text("email"), "alice@example.com");
    assert_eq!(reply.text("role"), "editor");
}

#[actix_rt::test]
async fn extra_claims_do_not_pass_for_what_the_account_says() {
    let service = Service::start().await;
    let claims = r#"{"email":"boss@example.com","preferred_username":"root","role":"x"}"#;
    service.user_with("alice", None, claims).await;
    let login = service.login().await;
    let response =
        service.http.get(format!("{}/userinfo", service.url)).bearer_auth(login.text("access_token"));
    let body = response.send().await.unwrap().text().await.unwrap();
    assert!(!body.contains("boss") && !body.contains("root") && body.contains("\"role\""), "{body}");
}

#[actix_rt::test]
async fn a_token_of_a_disabled_or_deleted_client_is_refused() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    let form = [("grant_type", "client_credentials")];
    let token = service.post_as(("worker", &secret), "/token", &form).await.assert_ok();
    let bearer = format!("Bearer {}", token.text("access_token"));
    chancery::accounts::clients::delete(service.store(), "worker").await.unwrap();
    userinfo(&service, Some(&bearer)).await.assert_error(401, "invalid_token");
    service.pass(1);
    service.confidential("worker").await;
    userinfo(&service, Some(&bearer)).await.assert_error(401, "invalid_token");
}

#[actix_rt::test]
async fn a_client_is_told_about_itself() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    let form = [("grant_type", "client_credentials")];
    let token = service.post_as(("worker", &secret), "/token", &form).await.assert_ok();
    let reply = userinfo(&service, Some(&format!("Bearer {}", token.text("access_token")))).await.assert_ok();
    assert_eq!(reply.body, serde_json::json!({ "sub": "worker", "client_id": "worker" }));
}

#[actix_rt::test]
async fn without_a_good_token_it_challenges() {
    let service = Service::start().await;
    let login = service.login().await;
    let none = userinfo(&service, None).await;
    none.assert_error(401, "invalid_token");
    assert_eq!(none.header("www-authenticate"), "Bearer");
    let bearer = format!("Bearer {}", login.text("access_token"));
    service.post("/revoke", &[("token", login.text("access_token"))]).await.assert_ok();
    for bad in [bearer.as_str(), "Bearer", "Bearer x", "Basic abc"] {
        let reply = userinfo(&service, Some(bad)).await;
        reply.assert_error(401, "invalid_token");
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{bad}");
    }
}
