//! JWKS, metadata, health.

use super::support::{Reply, Service};

const DOCUMENTS: [&str; 3] = [
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

#[actix_rt::test]
async fn the_jwks_holds_public_keys_only() {
    let service = Service::start().await;
    let jwks = service.get(DOCUMENTS[0]).await.assert_ok();
    let keys = jwks.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2); // the active key and the next
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"RSA".into(), &"sig".into(), &"RS256".into()));
    }
}

#[actix_rt::test]
async fn both_metadata_documents_are_the_same_and_point_here() {
    let service = Service::start().await;
    let [one, other] = [service.get(DOCUMENTS[1]).await, service.get(DOCUMENTS[2]).await];
    assert_eq!(one.body, other.body);
    assert_eq!(one.text("issuer"), service.url);
    for (member, path) in [
        ("token_endpoint", "/token"),
        ("revocation_endpoint", "/revoke"),
        ("introspection_endpoint", "/introspect"),
        ("userinfo_endpoint", "/userinfo"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(one.text(member), format!("{}{path}", service.url));
    }
}

#[actix_rt::test]
async fn documents_are_cacheable_by_everybody() {
    let service = Service::start_with(&[("jwks.max_age", "2m")]).await;
    for path in DOCUMENTS {
        let first = service.get(path).await.assert_ok();
        assert_eq!(first.header("cache-control"), "public, max-age=120, must-revalidate");
        assert_eq!(first.header("access-control-allow-origin"), "*");
        let etag = first.header("etag").to_owned();
        for (known, status) in [
            (etag.as_str(), 304),
            (&format!("W/{etag}"), 304),
            (&format!("\"x\", {etag}"), 304),
            ("*", 304),
            ("\"x\"", 200),
            ("nonsense", 200),
        ] {
            let request = service.http.get(format!("{}{path}", service.url)).header("if-none-match", known);
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_eq!(reply.status, status, "{known}");
            assert_eq!(reply.header("etag"), etag);
            assert_eq!(reply.body == "", status == 304);
        }
        let head = service.http.head(format!("{}{path}", service.url)).send().await.unwrap();
        assert_eq!(head.status(), 200);
        assert_eq!(head.headers()["etag"], etag.as_str());
    }
}

#[actix_rt::test]
async fn pages_of_listed_origins_may_call_and_read_errors() {
    let service = Service::start_with(&[("server.cors_origins", "https://app.example.com")]).await;
    let call = |origin: &'static str| {
        let request = service.http.post(format!("{}/token", service.url)).header("origin", origin);
        request.form(&[("grant_type", "x")]).send()
    };
    let listed = Reply::of(call("https://app.example.com").await.unwrap()).await;
    listed.assert_error(401, "invalid_client");
    assert_eq!(listed.header("access-control-allow-origin"), "https://app.example.com");
    assert!(listed.header("vary").contains("Origin"));
    let other = Reply::of(call("https://evil.example.com").await.unwrap()).await;
    other.assert_error(401, "invalid_client");
    assert_eq!(other.header("access-control-allow-origin"), "");
    let preflight = service
        .http
        .request(reqwest::Method::OPTIONS, format!("{}/token", service.url))
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "content-type, authorization, x-requested-with, x-csrf-token",
        );
    let preflight = Reply::of(preflight.send().await.unwrap()).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://app.example.com");
}

#[actix_rt::test]
async fn health_is_told_without_secrets() {
    let service = Service::start().await;
    service.get("/livez").await.assert_ok();
    for path in ["/livez", "/readyz"] {
        assert_eq!(service.http.head(format!("{}{path}", service.url)).send().await.unwrap().status(), 200);
    }
    let ready = service.get("/readyz").await.assert_ok();
    assert_eq!(ready.body["database"], "ok");
}
