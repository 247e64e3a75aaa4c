//! Which client is asking, in all the ways in which real clients say so.

use super::support::{PASSWORD, Reply, Service};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chancery::accounts::clients;

async fn with_header(service: &Service, authorization: &str, form: &[(&str, &str)]) -> Reply {
    let request = service.http.post(format!("{}/token", service.url)).header("authorization", authorization);
    Reply::of(request.form(form).send().await.unwrap()).await
}

fn basic(text: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[actix_rt::test]
async fn a_secret_is_accepted_in_the_header_or_in_the_form() {
    let service = Service::start().await;
    let secret = service.confidential("api").await;
    service.post_as(("api", &secret), "/token", &[GRANT]).await.assert_ok();
    let form = [GRANT, ("client_id", "api"), ("client_secret", &secret)];
    service.post("/token", &form).await.assert_ok();
    // Many clients repeat the id beside the header.
    service.post_as(("api", &secret), "/token", &[GRANT, ("client_id", "api")]).await.assert_ok();
    with_header(&service, &basic(&format!("api:{secret}")).replace("Basic", "bASIC"), &[GRANT])
        .await
        .assert_ok();
}

#[actix_rt::test]
async fn a_form_encoded_header_is_accepted_too() {
    let service = Service::start().await;
    let secret = service.confidential("my-app").await;
    with_header(&service, &basic(&format!("my%2Dapp:{secret}")), &[GRANT]).await.assert_ok();
    with_header(&service, &basic(&format!("my-app:{secret}")), &[GRANT]).await.assert_ok();
}

#[actix_rt::test]
async fn a_wrong_secret_and_an_unknown_client_get_the_same_answer() {
    let service = Service::start().await;
    service.confidential("api").await;
    let wrong = service.post_as(("api", "wrong"), "/token", &[GRANT]).await;
    let unknown = service.post_as(("nobody", "wrong"), "/token", &[GRANT]).await;
    for reply in [&wrong, &unknown] {
        reply.assert_error(401, "invalid_client");
        assert!(reply.header("www-authenticate").starts_with("Basic realm="));
    }
    assert_eq!(wrong.body, unknown.body);
    let form = [GRANT, ("client_id", "api"), ("client_secret", "wrong")];
    let in_form = service.post("/token", &form).await;
    in_form.assert_error(401, "invalid_client");
    assert_eq!(in_form.header("www-authenticate"), "");
}

#[actix_rt::test]
async fn the_blank_basic_header_of_swagger_ui_is_no_client() {
    let service = Service::start_with(&[("oauth.default_client", "web")]).await;
    service.login().await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    with_header(&service, "Basic Og==", &form).await.assert_ok();
    let with_id = [form[0], form[1], form[2], ("client_id", "web")];
    with_header(&service, "Basic Og==", &with_id).await.assert_ok();
}

#[actix_rt::test]
async fn an_empty_basic_secret_is_a_public_client() {
    let service = Service::start().await;
    service.login().await;
    service.confidential("api").await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)];
    with_header(&service, &basic("web:"), &form).await.assert_ok();
    service.public("web.2").await;
    with_header(&service, &basic("web%2E2:"), &form).await.assert_ok();
    with_header(&service, &basic("web:").replace(' ', "\t"), &form).await.assert_ok();
    with_header(&service, &basic("api:"), &form).await.assert_error(401, "invalid_client");
}

#[actix_rt::test]
async fn another_scheme_is_no_client_authentication() {
    let service = Service::start().await;
    let login = service.login().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", login.text("refresh_token"))];
    with_header(&service, "Bearer abc", &form).await.assert_ok();
}

#[actix_rt::test]
async fn two_ways_at_once_are_refused() {
    let service = Service::start().await;
    let secret = service.confidential("api").await;
    let form = [GRANT, ("client_id", "api"), ("client_secret", secret.as_str())];
    service.post_as(("api", &secret), "/token", &form).await.assert_error(400, "invalid_request");
    let other = [GRANT, ("client_id", "other")];
    service.post_as(("api", &secret), "/token", &other).await.assert_error(400, "invalid_request");
    service.post("/token", &[GRANT, ("client_secret", &secret)]).await.assert_error(400, "invalid_request");
    let twice = service.http.post(format!("{}/token", service.url));
    let twice = twice.header("authorization", basic("a:b")).header("authorization", basic("c:d"));
    Reply::of(twice.form(&[GRANT]).send().await.unwrap()).await.assert_error(400, "invalid_request");
}

#[actix_rt::test]
async fn malformed_basic_credentials_are_refused() {
    let service = Service::start().await;
    for bad in ["Basic", "Basic ???", "Basic YQ==", "Basic OnNlY3JldA==", "Basic //79"] {
        let reply = with_header(&service, bad, &[GRANT]).await;
        reply.assert_error(401, "invalid_client");
        assert!(reply.header("www-authenticate").starts_with("Basic"), "{bad}");
    }
}

#[actix_rt::test]
async fn a_public_client_with_a_secret_is_refused() {
    let service = Service::start().await;
    service.login().await;
    let form = [("client_id", "web"), ("client_secret", "x"), ("username", "alice"), ("password", PASSWORD)];
    service.post("/token", &form).await.assert_error(401, "invalid_client");
}

#[actix_rt::test]
async fn a_disabled_client_and_an_old_secret_are_refused() {
    let service = Service::start().await;
    let old = service.confidential("api").await;
    let new = clients::rotate_secret(service.store(), "api", service.now()).await.unwrap();
    let new = secrecy::ExposeSecret::expose_secret(&new).to_owned();
    service.post_as(("api", &old), "/token", &[GRANT]).await.assert_error(401, "invalid_client");
    service.post_as(("api", &new), "/token", &[GRANT]).await.assert_ok();
    let disable = |client: &mut clients::Client| {
        client.disabled = true;
        Ok(())
    };
    clients::alter(service.store(), "api", service.now(), disable).await.unwrap();
    service.post_as(("api", &new), "/token", &[GRANT]).await.assert_error(401, "invalid_client");
}
