//! `grant_type=client_credentials`.

use super::support::{Service, decode};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[actix_rt::test]
async fn a_client_gets_a_token_for_itself_and_no_refresh_token() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    let reply = service.post_as(("worker", &secret), "/token", &[GRANT]).await.assert_ok();
    assert!(reply.body.get("refresh_token").is_none());
    let (claims, _) = decode(reply.text("access_token"));
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("worker"), Some("worker")));
    for absent in ["sid", "auth_time", "amr"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
    assert!(service.is_active(reply.text("access_token")).await);
}

#[actix_rt::test]
async fn a_public_client_may_not_use_it() {
    let service = Service::start().await;
    service.public("web").await;
    service.post("/token", &[GRANT, ("client_id", "web")]).await.assert_error(400, "unauthorized_client");
}

#[actix_rt::test]
async fn a_token_of_a_disabled_client_introspects_inactive() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    let reply = service.post_as(("worker", &secret), "/token", &[GRANT]).await.assert_ok();
    let disable = |client: &mut chancery::accounts::Client| {
        client.disabled = true;
        Ok(())
    };
    chancery::accounts::clients::alter(service.store(), "worker", service.now(), disable).await.unwrap();
    assert!(!service.is_active(reply.text("access_token")).await);
}
