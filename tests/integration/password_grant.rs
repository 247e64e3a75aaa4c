//! `grant_type=password`.

use super::support::{PASSWORD, START, Service, decode};
use chancery::accounts::{Grant, users};
use chancery::config::TokenType;
use serde_json::json;

#[actix_rt::test]
async fn a_password_yields_a_bearer_token_and_a_refresh_token() {
    let service = Service::start().await;
    let reply = service.login().await;
    assert_eq!(reply.text("token_type"), "Bearer");
    assert_eq!(reply.body["expires_in"], 600);
    assert_eq!(reply.text("scope"), "read write");
    assert!(reply.text("refresh_token").starts_with("cr1_"));
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("pragma"), "no-cache");
}

#[actix_rt::test]
async fn an_access_token_has_the_claims_of_rfc_9068() {
    let service = Service::start().await;
    let user = service.user("alice").await;
    let (claims, header) = decode(service.login().await.text("access_token"));
    let now = START.as_unix();
    assert_eq!(claims["iss"], service.url);
    assert_eq!(claims["aud"], service.url);
    assert_eq!(claims["sub"], user.id);
    assert_eq!(claims["client_id"], "web");
    assert_eq!(claims["scope"], "read write");
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(now), &json!(now + 600)));
    assert_eq!(claims["auth_time"], now);
    assert_eq!(claims["amr"], json!(["pwd"]));
    assert!(claims["jti"].is_string() && claims["sid"].is_string());
    assert_eq!((header["typ"].as_str(), header["alg"].as_str()), (Some("at+jwt"), Some("RS256")));
    let jwks = service.get("/.well-known/jwks.json").await;
    assert!(jwks.body["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
}

#[actix_rt::test]
async fn the_login_form_of_fastapi_works_without_grant_type_and_client() {
    let service = Service::start_with(&[("oauth.default_client", "web")]).await;
    service.public("web").await;
    service.user("alice").await;
    let form = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("scope", ""),
        ("client_id", ""),
        ("client_secret", ""),
    ];
    service.post("/token", &form).await.assert_ok();
    service.post("/token", &form[..2]).await.assert_ok();
}

#[actix_rt::test]
async fn the_default_client_must_be_public() {
    let service = Service::start_with(&[("oauth.default_client", "api")]).await;
    service.confidential("api").await;
    service.user("alice").await;
    let reply = service.post("/token", &[("username", "alice"), ("password", PASSWORD)]).await;
    reply.assert_error(401, "invalid_client");
}

#[actix_rt::test]
async fn without_a_default_client_a_client_is_needed() {
    let service = Service::start().await;
    service.user("alice").await;
    let reply = service.post("/token", &[("username", "alice"), ("password", PASSWORD)]).await;
    reply.assert_error(401, "invalid_client");
    assert_eq!(reply.header("www-authenticate"), "");
}

#[actix_rt::test]
async fn an_unknown_user_a_wrong_password_and_a_disabled_user_get_the_same_answer() {
    let service = Service::start().await;
    service.login().await;
    let disabled = service.user("bob").await;
    users::disable(service.store(), &disabled, service.now()).await.unwrap();
    let mut bodies = Vec::new();
    for (name, password) in [("nobody", PASSWORD), ("a b", PASSWORD), ("alice", "wrong"), ("bob", PASSWORD)] {
        let form = [("client_id", "web"), ("username", name), ("password", password)];
        let reply = service.post("/token", &form).await;
        reply.assert_error(400, "invalid_grant");
        bodies.push(reply.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]), "{bodies:?}");
}

#[actix_rt::test]
async fn variants_of_a_username_are_one_account() {
    let service = Service::start().await;
    service.user("Álice").await;
    service.public("web").await;
    for name in ["álice", "ÁLICE", "A\u{301}lice", "Álice"] {
        service.login_as(name, "web").await;
    }
    let taken = users::create(
        service.store(),
        users::NewUser {
            username: "ÁLICE".to_owned(),
            email: None,
            password_hash: service.hash("x").await,
            scopes: None,
            claims: chancery::accounts::ExtraClaims::default(),
        },
        service.now(),
    )
    .await;
    assert!(taken.unwrap_err().to_string().contains("exists"));
}

#[actix_rt::test]
async fn a_client_without_the_grant_may_not_use_it() {
    let service = Service::start().await;
    service.user("alice").await;
    service.public_with("spa", |client| client.grants = vec![Grant::RefreshToken]).await;
    let form = [("client_id", "spa"), ("username", "alice"), ("password", PASSWORD)];
    service.post("/token", &form).await.assert_error(400, "unauthorized_client");
}

#[actix_rt::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token() {
    let service = Service::start().await;
    service.user("alice").await;
    service.public_with("kiosk", |client| client.grants = vec![Grant::Password]).await;
    let reply = service.login_as("alice", "kiosk").await;
    assert!(reply.body.get("refresh_token").is_none());
    assert!(service.is_active(reply.text("access_token")).await);
}

#[actix_rt::test]
async fn an_overlong_password_is_refused_before_it_is_hashed() {
    let service = Service::start().await;
    service.login().await;
    let long = "x".repeat(1025);
    let reply =
        service.post("/token", &[("client_id", "web"), ("username", "alice"), ("password", &long)]).await;
    reply.assert_error(400, "invalid_request");
}

#[actix_rt::test]
async fn an_old_hash_is_upgraded_at_the_login() {
    let service = Service::start_with(&[("password.memory_kib", "16")]).await;
    let user = service.user("alice").await;
    service.public("web").await;
    let old = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$";
    let settings = chancery::config::PasswordSettings {
        memory_kib: 8,
        iterations: 1,
        parallelism: 1,
        max_concurrent: 1,
        queue: 1,
    };
    let hasher = chancery::accounts::password::Hasher::start(&settings).unwrap();
    let hash = hasher.hash(chancery::accounts::password::Password::parse(PASSWORD).unwrap()).await.unwrap();
    assert!(hash.starts_with(&old[..27]), "{hash}");
    users::set_password(service.store(), &user, hash, service.now()).await.unwrap();
    service.login_as("alice", "web").await;
    let id = user.id.clone();
    let row =
        service.store().read(move |conn| chancery::store::users::find(conn, &id)).await.unwrap().unwrap();
    assert!(row.password_hash.contains("m=16,t=1,p=1"));
    assert_eq!(row.last_login_at, Some(START.as_unix()));
    service.login_as("alice", "web").await;
}

#[actix_rt::test]
async fn extra_claims_of_client_and_user_are_merged_and_the_users_win() {
    let service = Service::start().await;
    service.user_with("alice", None, r#"{"role":"editor"}"#).await;
    let claims = chancery::accounts::ExtraClaims::parse(r#"{"role":"anon","tenant":7}"#).unwrap();
    service.public_with("web", move |client| client.claims = claims).await;
    let reply = service.login_as("alice", "web").await;
    let (claims, _) = decode(reply.text("access_token"));
    assert_eq!((&claims["role"], &claims["tenant"]), (&json!("editor"), &json!(7)));
}

#[actix_rt::test]
async fn a_client_has_its_own_lifetime_type_and_audience() {
    let service = Service::start().await;
    service.user("alice").await;
    service
        .public_with("web", |client| {
            client.access_token_lifetime = Some(std::time::Duration::from_secs(30));
            client.token_type = Some(TokenType::Jwt);
            client.audience = Some(vec!["https://a".to_owned(), "https://b".to_owned()]);
        })
        .await;
    let reply = service.login_as("alice", "web").await;
    assert_eq!(reply.body["expires_in"], 30);
    let (claims, header) = decode(reply.text("access_token"));
    assert_eq!(header["typ"], "JWT");
    assert_eq!(claims["aud"], json!(["https://a", "https://b"]));
}

#[actix_rt::test]
async fn a_full_hash_queue_is_answered_503_with_retry_after() {
    let settings = [
        ("password.memory_kib", "65536"),
        ("password.iterations", "3"),
        ("password.max_concurrent", "1"),
        ("password.queue", "1"),
    ];
    let service = Service::start_with(&settings).await;
    service.public("web").await;
    let form = [("client_id", "web"), ("username", "nobody"), ("password", "x")];
    let attempts = (0..12).map(|_| service.post("/token", &form));
    let replies = futures_util::future::join_all(attempts).await;
    let busy: Vec<_> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(!busy.is_empty() && busy.len() < replies.len());
    for reply in busy {
        reply.assert_error(503, "temporarily_unavailable");
        assert_eq!(reply.header("retry-after"), "1");
    }
}
