//! The page of `/account/`: what browsers are told about it. What it does is seen in tests/browser.

use super::support::Service;

const FILES: [(&str, &str); 5] = [
    ("/account/", "text/html; charset=utf-8"),
    ("/account/style.css", "text/css; charset=utf-8"),
    ("/account/page.js", "text/javascript; charset=utf-8"),
    ("/account/api.js", "text/javascript; charset=utf-8"),
    ("/account/sessions.js", "text/javascript; charset=utf-8"),
];

async fn text(service: &Service, path: &str) -> String {
    let answer = service.http.get(format!("{}{path}", service.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

#[actix_rt::test]
async fn its_files_load_nothing_from_elsewhere_and_are_in_no_frame() {
    let service = Service::browser(&[]).await;
    for (path, content_type) in FILES {
        let url = format!("{}{path}", service.url);
        let answer = service.http.get(&url).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((answer.status().as_u16(), header("content-type").as_str()), (200, content_type));
        let policy = header("content-security-policy");
        for directive in
            ["default-src 'none';", "script-src 'self';", "frame-ancestors 'none';", "base-uri 'none';"]
        {
            assert!(policy.contains(directive), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        let again = service.http.get(&url).header("if-none-match", header("etag")).send().await.unwrap();
        assert_eq!((again.status().as_u16(), again.content_length()), (304, Some(0)));
        let own = text(&service, path).await.replace(&service.url, "");
        assert!(!own.contains("http"), "{path} names another place");
    }
}

#[actix_rt::test]
async fn whoever_leaves_out_the_last_stroke_comes_there_too() {
    let service = Service::browser(&[]).await;
    let visit = service.http.get(format!("{}/account", service.url)).header("sec-fetch-mode", "navigate");
    let answer = visit.send().await.unwrap();
    assert_eq!((answer.url().path(), answer.status().as_u16()), ("/account/", 200));
}

#[actix_rt::test]
async fn it_offers_what_is_set() {
    let service = Service::browser(&[]).await;
    let page = text(&service, "/account/").await;
    assert!(page.contains(r#"data-sign-up="false""#) && page.contains(r#"minlength="8""#), "{page}");
    let settings = [("accounts.sign_up", "true"), ("accounts.min_password_length", "12")];
    let page = text(&Service::browser(&settings).await, "/account/").await;
    assert!(page.contains(r#"data-sign-up="true""#) && page.contains(r#"minlength="12""#), "{page}");
    assert!(!page.contains("{{"), "{page}");
}

#[actix_rt::test]
async fn where_the_cookie_does_not_come_there_is_none() {
    let service = Service::browser(&[("browser.path", "/session")]).await;
    for path in ["/account/", "/account", "/account/totp"] {
        assert_eq!(service.get(path).await.status, 404, "{path}");
    }
    service.sign_in().await.assert_ok();
}

#[actix_rt::test]
async fn without_a_client_for_browsers_there_is_none() {
    let service = Service::start().await;
    for (path, _) in FILES {
        assert_eq!(service.get(path).await.status, 404, "{path}");
    }
}
