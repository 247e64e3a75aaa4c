//! Many requests at once.

use std::collections::HashSet;

use super::support::{NO_LIMITS, PASSWORD, Reply, Service};
use chancery::accounts::{clients, users};
use chancery::tokens::SessionId;
use futures_util::future::join_all;

async fn generation_of(service: &Service, access_token: &str) -> (i64, Option<i64>) {
    let (claims, _) = super::support::decode(access_token);
    let id = SessionId::parse(claims["sid"].as_str().unwrap()).unwrap();
    let find = move |conn: &mut _| chancery::store::sessions::find(conn, id.as_bytes());
    let row = service.store().read(find).await.unwrap().unwrap();
    (row.generation, row.closed_at)
}

async fn refresh_at_once(service: &Service, token: &str, count: usize) -> Vec<Reply> {
    join_all((0..count).map(|_| service.refresh(token))).await
}

#[actix_rt::test]
async fn fifty_refreshes_at_once_without_leeway_yield_one_generation_and_a_closed_session() {
    let service = Service::start().await;
    for _ in 0..5 {
        let login = service.login().await;
        let replies = refresh_at_once(&service, login.text("refresh_token"), 50).await;
        let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
        assert_eq!(won.len(), 1);
        let lost = replies.iter().filter(|reply| reply.status == 400).count();
        assert_eq!(lost, 49);
        let (generation, closed_at) = generation_of(&service, login.text("access_token")).await;
        assert_eq!(generation, 1);
        assert!(closed_at.is_some());
        service.refresh(won[0].text("refresh_token")).await.assert_error(400, "invalid_grant");
        assert!(!service.is_active(won[0].text("access_token")).await);
    }
}

#[actix_rt::test]
async fn fifty_refreshes_at_once_with_leeway_all_get_the_same_successor() {
    let service = Service::start_with(&[("tokens.refresh_reuse_leeway", "10s")]).await;
    for _ in 0..5 {
        let login = service.login().await;
        let replies = refresh_at_once(&service, login.text("refresh_token"), 50).await;
        let tokens: HashSet<_> = replies.iter().map(|reply| reply.text("refresh_token")).collect();
        assert_eq!(tokens.len(), 1);
        assert_eq!(generation_of(&service, login.text("access_token")).await, (1, None));
        let next = service.refresh(replies[0].text("refresh_token")).await.assert_ok();
        assert_eq!(generation_of(&service, next.text("access_token")).await.0, 2);
        // Any older token ends it all.
        service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
        assert!(!service.is_active(next.text("access_token")).await);
    }
}

#[actix_rt::test]
async fn no_session_outlives_a_disabling_that_races_with_logins_and_refreshes() {
    // A disabled user's logins are wrong guesses like others.
    let service = Service::start_with(&NO_LIMITS).await;
    for _ in 0..20 {
        let login = service.login().await;
        let user = users::find(service.store(), "alice").await.unwrap();
        let form = [("client_id", "web"), ("username", "alice"), ("password", PASSWORD)];
        let logins = join_all((0..6).map(|_| service.post("/token", &form)));
        let refresh = service.refresh(login.text("refresh_token"));
        let disable = users::disable(service.store(), &user, service.now());
        let (logins, refreshed, disabled) = tokio::join!(logins, refresh, disable);
        disabled.unwrap();
        for reply in logins.iter().chain([&refreshed]).filter(|reply| reply.status == 200) {
            service.refresh(reply.text("refresh_token")).await.assert_error(400, "invalid_grant");
        }
        users::enable(service.store(), &user, service.now()).await.unwrap();
    }
}

#[actix_rt::test]
async fn no_session_outlives_a_disabling_of_its_client_that_races_with_logins() {
    let service = Service::start_with(&[("password.memory_kib", "4096")]).await;
    service.login().await;
    let set = |disabled| {
        move |client: &mut clients::Client| {
            client.disabled = disabled;
            Ok(())
        }
    };
    let form = [("client_id", "web"), ("username", "alice"), ("password", PASSWORD)];
    let mut statuses = HashSet::new();
    for _ in 0..30 {
        let logins = join_all((0..4).map(|_| service.post("/token", &form)));
        let disable = async {
            // Once the requests are on their way: a readable answer proves that the server works on them.
            service.get("/livez").await;
            clients::alter(service.store(), "web", service.now(), set(true)).await
        };
        let (logins, disabled) = tokio::join!(logins, disable);
        disabled.unwrap();
        clients::alter(service.store(), "web", service.now(), set(false)).await.unwrap();
        for reply in logins {
            statuses.insert(reply.status);
            if reply.status == 200 {
                service.refresh(reply.text("refresh_token")).await.assert_error(400, "invalid_grant");
                assert!(!service.is_active(reply.text("access_token")).await);
            }
        }
    }
    assert!(statuses.contains(&503), "no login was caught in the act: {statuses:?}");
}

#[actix_rt::test]
async fn a_revocation_that_was_answered_holds_against_refreshes_under_way() {
    let service = Service::start().await;
    for _ in 0..50 {
        let login = service.login().await;
        let token = login.text("refresh_token");
        let form = [("token", token)];
        let (refreshed, revoked) = tokio::join!(service.refresh(token), service.post("/revoke", &form));
        revoked.assert_ok();
        if refreshed.status == 200 {
            service.refresh(refreshed.text("refresh_token")).await.assert_error(400, "invalid_grant");
            assert!(!service.is_active(refreshed.text("access_token")).await);
        }
    }
}
