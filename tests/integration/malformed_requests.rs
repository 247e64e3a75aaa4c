//! Bad input gets a clear error and costs nothing.

use super::support::{Reply, Service};

async fn raw(
    service: &Service,
    path: &str,
    content_type: Option<&str>,
    body: impl Into<reqwest::Body>,
) -> Reply {
    let mut request = service.http.post(format!("{}{path}", service.url)).body(body);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    Reply::of(request.send().await.unwrap()).await
}

const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const POSTS: [&str; 3] = ["/token", "/revoke", "/introspect"];

#[actix_rt::test]
async fn a_parameter_given_twice_is_refused() {
    let service = Service::start().await;
    service.public("web").await;
    let body = "grant_type=password&client_id=web&username=a&username=b&password=c";
    raw(&service, "/token", FORM, body).await.assert_error(400, "invalid_request");
    for path in POSTS {
        raw(&service, path, FORM, "token=a&token=b").await.assert_error(400, "invalid_request");
    }
}

#[actix_rt::test]
async fn thousands_of_parameters_or_scopes_are_refused_at_once() {
    let service = Service::start().await;
    service.public("web").await;
    let names: Vec<_> = (0..8_000).map(|number| format!("p{number}")).collect();
    for path in POSTS {
        raw(&service, path, FORM, names.join("&")).await.assert_error(400, "invalid_request");
    }
    let scopes: Vec<_> = (0..8_000).map(|number| format!("s{number}")).collect();
    let body = format!("client_id=web&username=a&password=b&scope={}", scopes.join("+"));
    raw(&service, "/token", FORM, body).await.assert_error(400, "invalid_scope");
}

#[actix_rt::test]
async fn a_body_that_does_not_come_is_given_up() {
    let service = Service::start_with(&[("server.request_timeout", "1s")]).await;
    let never = futures_util::stream::pending::<Result<String, std::io::Error>>();
    let reply = raw(&service, "/token", FORM, reqwest::Body::wrap_stream(never)).await;
    reply.assert_error(408, "invalid_request");
}

#[actix_rt::test]
async fn a_refusal_does_not_repeat_what_it_was_given() {
    let service = Service::start().await;
    service.public("web").await;
    let body = "client_id=web&username=a&password=x&hunter2=&hunter2=";
    let reply = raw(&service, "/token", FORM, body).await;
    assert!(!reply.text("error_description").contains("hunter2"), "{reply:?}");
    let body = format!("client_id=web&username=a&password=x&scope={}", "%C3%A9".repeat(9000));
    let reply = raw(&service, "/token", FORM, body).await;
    assert!(reply.text("error_description").len() < 200 && reply.text("error_description").is_ascii());
}

#[actix_rt::test]
async fn credentials_in_the_query_are_refused() {
    let service = Service::start().await;
    let login = service.login().await;
    let token = login.text("refresh_token");
    for query in ["password=x", "client_secret=x", "refresh_token=x", "token=x", "grant_type=password"] {
        for path in POSTS {
            raw(&service, &format!("{path}?{query}"), FORM, "a=b").await.assert_error(400, "invalid_request");
        }
    }
    // An endpoint's address may have a query of its own (RFC 6749 section 3.2).
    let body = format!("grant_type=refresh_token&client_id=web&refresh_token={token}");
    raw(&service, "/token?tenant=x", FORM, body).await.assert_ok();
}

#[actix_rt::test]
async fn another_content_type_is_refused() {
    let service = Service::start().await;
    for content_type in
        [None, Some("application/json"), Some("text/plain"), Some("multipart/form-data; boundary=x")]
    {
        for path in POSTS {
            raw(&service, path, content_type, "{}").await.assert_error(415, "invalid_request");
        }
    }
    let with_charset = Some("application/x-www-form-urlencoded; charset=UTF-8");
    raw(&service, "/token", with_charset, "grant_type=x").await.assert_error(401, "invalid_client");
}

#[actix_rt::test]
async fn a_body_over_64_kib_is_refused() {
    let service = Service::start().await;
    let body = format!("grant_type=password&x={}", "y".repeat(64 * 1024));
    for path in POSTS {
        raw(&service, path, FORM, body.clone()).await.assert_error(413, "invalid_request");
    }
    let stream = futures_util::stream::iter((0..80).map(|_| Ok::<_, std::io::Error>("z".repeat(1024))));
    let chunked = reqwest::Body::wrap_stream(stream);
    raw(&service, "/token", FORM, chunked).await.assert_error(413, "invalid_request");
}

#[actix_rt::test]
async fn missing_and_unknown_grants_are_told_apart() {
    let service = Service::start().await;
    service.public("web").await;
    let web = ("client_id", "web");
    service.post("/token", &[web]).await.assert_error(400, "invalid_request");
    service.post("/token", &[web, ("username", "a")]).await.assert_error(400, "invalid_request");
    service.post("/token", &[web, ("grant_type", "password")]).await.assert_error(400, "invalid_request");
    service
        .post("/token", &[web, ("grant_type", "refresh_token")])
        .await
        .assert_error(400, "invalid_request");
    let unknown = service.post("/token", &[web, ("grant_type", "implicit")]).await;
    unknown.assert_error(400, "unsupported_grant_type");
    service.post("/revoke", &[web]).await.assert_error(400, "invalid_request");
}

#[actix_rt::test]
async fn broken_utf_8_and_nul_bytes_are_no_server_error() {
    let service = Service::start().await;
    service.login().await;
    raw(&service, "/token", FORM, "client_id=web&username=%ff&password=x")
        .await
        .assert_error(400, "invalid_request");
    for name in ["a%00b", "%F0%9F%92%A9", "%E2%80%AE", "%25", "a".repeat(5000).as_str()] {
        let body = format!("client_id=web&username={name}&password=%00");
        raw(&service, "/token", FORM, body).await.assert_error(400, "invalid_grant");
    }
    for id in ["%00", "a%00", "%0d%0a"] {
        raw(&service, "/token", FORM, format!("client_id={id}&grant_type=password"))
            .await
            .assert_error(401, "invalid_client");
    }
}

#[actix_rt::test]
async fn a_wrong_method_and_an_unknown_path_are_json_too() {
    let service = Service::start().await;
    let get = service.get("/token").await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));
    assert_eq!(get.body["error"], "invalid_request");
    let post = service.post("/.well-known/jwks.json", &[]).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
    for path in ["/", "/.well-known/nothing", "/token/", "/authorize"] {
        let missing = service.get(path).await;
        assert_eq!((missing.status, missing.body["error"].as_str()), (404, Some("not_found")));
    }
}
