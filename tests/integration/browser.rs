//! Logins with cookies: what a browser sends and gets. Real browsers are in `tests/browser`.

use futures_util::future::join_all;
use serde_json::json;

use super::page::{APP, COOKIE, Tab, assert_signed_out, assert_unknown, attributes, set_cookies};
use super::support::{PASSWORD, Reply, Service};

#[actix_rt::test]
async fn a_link_on_another_site_with_which_no_cookie_is_sent_takes_none_away() {
    let service = Service::browser(&[]).await;
    for path in ["/session", "/session/csrf"] {
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_unknown(&service.send("GET", path, &link, None).await);
    }
}

#[actix_rt::test]
async fn a_login_sets_the_refresh_token_as_a_cookie_that_no_script_reads_and_answers_the_access_token() {
    let service = Service::browser(&[]).await;
    let reply = service.sign_in().await.assert_ok();
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.body["refresh_token"], json!(null));
    assert!(service.is_active(reply.text("access_token")).await);
    assert_eq!(attributes(&reply), ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict", "Secure"]);
    let tab = Tab::of(&reply);
    assert!(tab.refresh_token().starts_with("cr1_"));
}

#[actix_rt::test]
async fn a_form_logs_in_as_well_as_json() {
    let service = Service::browser(&[]).await;
    let form = [("username", "alice"), ("password", PASSWORD)];
    let request =
        service.http.post(format!("{}/session/login", service.url)).header("origin", APP).form(&form);
    Reply::of(request.send().await.unwrap()).await.assert_ok();
    for body in ["[]", "{\"username\":1,\"password\":\"x\"}", "{", "{\"username\":\"alice\"}"] {
        let reply = service.send("POST", "/session/login", &[("origin", APP)], Some(body)).await;
        reply.assert_error(400, "invalid_request");
    }
    let request = service.http.post(format!("{}/session/login", service.url)).header("origin", APP).body("x");
    Reply::of(request.send().await.unwrap()).await.assert_error(415, "invalid_request");
}

#[actix_rt::test]
async fn a_login_says_nothing_of_who_is_the_client() {
    let service = Service::browser(&[]).await;
    service.public("other").await;
    let body = json!({ "username": "alice", "password": PASSWORD, "client_id": "other" }).to_string();
    let reply = service.send("POST", "/session/login", &[("origin", APP)], Some(&body)).await.assert_ok();
    let (claims, _) = super::support::decode(reply.text("access_token"));
    assert_eq!(claims["client_id"], "web");
}

#[actix_rt::test]
async fn a_refresh_moves_the_cookie_on_and_its_age_is_what_the_session_has_left() {
    let settings = [("tokens.refresh_idle_lifetime", "1h"), ("tokens.refresh_absolute_lifetime", "90m")];
    let service = Service::browser(&settings).await;
    let first = Tab::of(&service.sign_in().await.assert_ok());
    service.pass(50 * 60);
    let reply = service.page("POST", "/session/refresh", &first).await.assert_ok();
    assert_eq!(attributes(&reply), ["HttpOnly", "Max-Age=2400", "Path=/", "SameSite=Strict", "Secure"]);
    let second = Tab::of(&reply);
    assert_ne!(first.refresh_token(), second.refresh_token());
    service.pass(40 * 60);
    assert_signed_out(&service.page("POST", "/session/refresh", &second).await);
}

#[actix_rt::test]
async fn two_tabs_that_refresh_at_once_get_the_same_cookie() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let replies = join_all((0..10).map(|_| service.page("POST", "/session/refresh", &tab))).await;
    let tokens: std::collections::HashSet<_> =
        replies.into_iter().map(|reply| Tab::of(&reply.assert_ok()).refresh_token().to_owned()).collect();
    assert_eq!(tokens.len(), 1);
    service.pass(11);
    assert_signed_out(&service.page("POST", "/session/refresh", &tab).await);
}

#[actix_rt::test]
async fn a_logout_ends_the_session_and_takes_the_cookie() {
    let service = Service::browser(&[]).await;
    let login = service.sign_in().await.assert_ok();
    let tab = Tab::of(&login);
    let reply = service.page("POST", "/session/logout", &tab).await.assert_ok();
    assert!(set_cookies(&reply)[0].contains("Max-Age=0"));
    assert!(!service.is_active(login.text("access_token")).await);
    assert_signed_out(&service.page("POST", "/session/refresh", &tab).await);
    assert_signed_out(&service.page("GET", "/session", &tab).await);
    // Again, and without any cookie: the same.
    service.page("POST", "/session/logout", &tab).await.assert_ok();
    service.send("POST", "/session/logout", &[("origin", APP)], None).await.assert_ok();
}

#[actix_rt::test]
async fn a_page_that_was_reloaded_learns_who_is_logged_in() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let reloaded = [("cookie", tab.cookies.as_str())];
    let info = service.send("GET", "/session", &reloaded, None).await.assert_ok();
    assert_eq!((info.text("username"), info.text("scope")), ("alice", "read write"));
    assert_eq!(info.body["amr"], json!(["pwd"]));
    assert_eq!(info.text("csrf_token"), tab.csrf_token);
    let csrf = service.send("GET", "/session/csrf", &reloaded, None).await.assert_ok();
    assert_eq!(csrf.text("csrf_token"), tab.csrf_token);
    // It was only asked.
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
    assert_unknown(&service.send("GET", "/session", &[], None).await);
}

#[actix_rt::test]
async fn other_apps_cookies_may_hold_any_bytes() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    for other in ["x=é; ", "x=\u{fffd}; y; =; ", "\"; "] {
        let cookies = format!("{other}{}", tab.cookies);
        let info = service.send("GET", "/session", &[("cookie", &cookies)], None).await.assert_ok();
        assert_eq!(info.text("username"), "alice");
    }
}

#[actix_rt::test]
async fn only_pages_of_listed_origins_change_anything() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let own = service.url.clone();
    let strangers: [&[(&str, &str)]; 8] = [
        &[],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://app.example.com.evil.example")],
        &[("origin", APP), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
    ];
    for path in ["/session/login", "/session/refresh", "/session/logout"] {
        for stranger in strangers {
            let cookie = [("cookie", tab.cookies.as_str()), ("x-csrf-token", &tab.csrf_token)];
            let body = json!({ "username": "alice", "password": PASSWORD }).to_string();
            let reply = service.send("POST", path, &[stranger, &cookie].concat(), Some(&body)).await;
            reply.assert_error(403, "access_denied");
            assert!(set_cookies(&reply).is_empty(), "{reply:?}");
        }
    }
    for friend in [("origin", own.as_str()), ("sec-fetch-site", "same-origin")] {
        let cookie = [("cookie", tab.cookies.as_str()), ("x-csrf-token", &tab.csrf_token)];
        service.send("POST", "/session/refresh", &[&[friend], &cookie[..]].concat(), None).await.assert_ok();
    }
}

#[actix_rt::test]
async fn a_cookie_without_its_sessions_csrf_token_does_nothing() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let other = Tab::of(&service.sign_in().await.assert_ok());
    let plain = [("origin", APP), ("cookie", tab.cookies.as_str())];
    for path in ["/session/refresh", "/session/logout"] {
        service.send("POST", path, &plain, None).await.assert_error(403, "access_denied");
        let foreign = Tab { csrf_token: other.csrf_token.clone(), ..tab.clone() };
        service.page("POST", path, &foreign).await.assert_error(403, "access_denied");
    }
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
}

#[actix_rt::test]
async fn a_cookie_that_comes_twice_or_looks_alike_is_refused() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let good = &tab.cookies;
    let twice = format!("{good}; {good}");
    let cased = good.replace("__Host-", "__host-");
    let both = format!("{cased}; {good}");
    for cookies in [&twice, &cased, &both] {
        let headers = [("origin", APP), ("cookie", cookies), ("x-csrf-token", &tab.csrf_token)];
        service.send("POST", "/session/refresh", &headers, None).await.assert_error(400, "invalid_request");
    }
    // Anybody under the domain may set these; they are nothing to us.
    let plain = good.replace("__Host-", "");
    let headers = [("origin", APP), ("cookie", &plain), ("x-csrf-token", &tab.csrf_token)];
    assert_unknown(&service.send("POST", "/session/refresh", &headers, None).await);
    let beside =
        [("origin", APP), ("cookie", &format!("{plain}; {good}")), ("x-csrf-token", &tab.csrf_token)];
    service.send("POST", "/session/refresh", &beside, None).await.assert_ok();
}

#[actix_rt::test]
async fn the_access_token_may_be_a_cookie_too() {
    let settings = [("browser.access_cookie", "access_token"), ("tokens.access_token_lifetime", "5m")];
    let service = Service::browser(&settings).await;
    let reply = service.sign_in().await.assert_ok();
    assert_eq!(reply.body["access_token"], json!(null));
    let cookies = set_cookies(&reply);
    let access = cookies.iter().find(|cookie| cookie.starts_with("__Host-access_token=ey")).unwrap();
    assert!(access.contains("Max-Age=300") && access.contains("HttpOnly"), "{access}");
    let reply = service.page("POST", "/session/logout", &Tab::of(&reply)).await.assert_ok();
    assert_eq!(set_cookies(&reply).len(), 2);
}

/// Settings, the cookie's name, and its attributes.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

#[actix_rt::test]
async fn the_cookies_attributes_and_prefix_follow_the_settings() {
    let cases: [Case; 4] = [
        (
            &[("browser.same_site", "none"), ("browser.partitioned", "true")],
            "__Host-refresh_token",
            &["HttpOnly", "Max-Age=604800", "Partitioned", "Path=/", "SameSite=None", "Secure"],
        ),
        (
            &[
                ("issuer.url", "https://auth.example.com"),
                ("browser.domain", "example.com"),
                ("browser.same_site", "lax"),
            ],
            "__Secure-refresh_token",
            &["Domain=example.com", "HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax", "Secure"],
        ),
        (
            &[("browser.path", "/session"), ("browser.refresh_cookie", "rt")],
            "__Secure-rt",
            &["HttpOnly", "Max-Age=604800", "Path=/session", "SameSite=Strict", "Secure"],
        ),
        (
            &[("browser.insecure_cookies", "true")],
            "refresh_token",
            &["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Strict"],
        ),
    ];
    for (settings, name, wanted) in cases {
        let reply = Service::browser(settings).await.sign_in().await.assert_ok();
        assert!(set_cookies(&reply)[0].starts_with(&format!("{name}=")), "{reply:?}");
        assert_eq!(attributes(&reply), wanted);
    }
}

#[actix_rt::test]
async fn answers_and_errors_can_be_read_by_listed_origins_alone_with_credentials() {
    let service = Service::browser(&[]).await;
    let preflight = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-csrf-token"),
    ];
    let reply = service.send("OPTIONS", "/session/refresh", &preflight, None).await.assert_ok();
    assert_eq!(reply.header("access-control-allow-origin"), APP);
    assert_eq!(reply.header("access-control-allow-credentials"), "true");
    assert_eq!(reply.header("access-control-max-age"), "3600");
    let refused = service.send("POST", "/session/refresh", &[("origin", APP)], None).await;
    assert_unknown(&refused);
    for reply in [&refused, &service.sign_in().await] {
        assert_eq!(reply.header("access-control-allow-origin"), APP);
        assert_eq!(reply.header("access-control-allow-credentials"), "true");
        assert!(reply.header("vary").to_ascii_lowercase().contains("origin"), "{reply:?}");
    }
    let stranger = service.send("GET", "/session", &[("origin", "https://evil.example")], None).await;
    assert_eq!(stranger.header("access-control-allow-origin"), "");
}

#[actix_rt::test]
async fn a_user_who_was_disabled_is_signed_out() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let user = chancery::accounts::users::find(service.store(), "alice").await.unwrap();
    chancery::accounts::users::disable(service.store(), &user, service.now()).await.unwrap();
    assert_signed_out(&service.page("GET", "/session", &tab).await);
    assert_signed_out(&service.page("POST", "/session/refresh", &tab).await);
}

#[actix_rt::test]
async fn another_clients_refresh_token_in_the_cookie_opens_nothing() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    service.public("other").await;
    let other = service.login_as("alice", "other").await;
    let cookies = format!("{COOKIE}={}", other.text("refresh_token"));
    let foreign = Tab { cookies, ..tab };
    assert_signed_out(&service.page("GET", "/session", &foreign).await);
    service.page("POST", "/session/refresh", &foreign).await.assert_error(403, "access_denied");
}

#[actix_rt::test]
async fn there_are_no_such_routes_until_a_client_is_named() {
    let service = Service::start().await;
    for path in ["/session", "/session/csrf", "/session/login"] {
        assert_eq!(service.get(path).await.status, 404);
    }
}
