//! `grant_type=refresh_token`: rotation, reuse, leeway, lifetimes.

use super::support::{Service, decode};
use chancery::accounts::secret::{SecretHash, generate_secret};
use chancery::accounts::{clients, users};
use std::time::Duration;

async fn with_leeway(seconds: u64) -> Service {
    let leeway = format!("{seconds}s");
    Service::start_with(&[("tokens.refresh_reuse_leeway", &leeway)]).await
}

#[actix_rt::test]
async fn a_refresh_token_is_exchanged_for_its_successor() {
    let service = Service::start().await;
    let first = service.login().await;
    service.pass(60);
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    let (old, _) = decode(first.text("access_token"));
    let (new, _) = decode(second.text("access_token"));
    assert_eq!(old["sid"], new["sid"]);
    assert_eq!(old["auth_time"], new["auth_time"]);
    assert_ne!(old["jti"], new["jti"]);
    assert_eq!(new["iat"].as_i64().unwrap() - old["iat"].as_i64().unwrap(), 60);
    service.refresh(second.text("refresh_token")).await.assert_ok();
}

#[actix_rt::test]
async fn a_reused_refresh_token_closes_the_session() {
    let service = Service::start().await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    let third = service.refresh(second.text("refresh_token")).await.assert_ok();
    assert!(service.is_active(third.text("access_token")).await);
    service.refresh(first.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.refresh(third.text("refresh_token")).await.assert_error(400, "invalid_grant");
    for reply in [&first, &second, &third] {
        assert!(!service.is_active(reply.text("access_token")).await);
        assert!(!service.is_active(reply.text("refresh_token")).await);
    }
}

#[actix_rt::test]
async fn with_leeway_zero_the_previous_token_is_reuse_at_once() {
    let service = Service::start().await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    service.refresh(first.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.refresh(second.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn within_the_leeway_the_previous_token_yields_the_same_successor() {
    let service = with_leeway(10).await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    service.pass(10);
    let repeated = service.refresh(first.text("refresh_token")).await.assert_ok();
    assert_eq!(repeated.text("refresh_token"), second.text("refresh_token"));
    assert_ne!(repeated.text("access_token"), second.text("access_token"));
    service.refresh(second.text("refresh_token")).await.assert_ok();
}

#[actix_rt::test]
async fn after_the_leeway_the_previous_token_is_reuse() {
    let service = with_leeway(10).await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    service.pass(11);
    service.refresh(first.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.refresh(second.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn within_the_leeway_a_token_whose_successor_is_spent_is_reuse() {
    let service = with_leeway(10).await;
    let first = service.login().await;
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    let third = service.refresh(second.text("refresh_token")).await.assert_ok();
    service.refresh(first.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.refresh(third.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn a_token_lapses_when_it_is_not_used() {
    let service = Service::start_with(&[("tokens.refresh_idle_lifetime", "1h")]).await;
    let first = service.login().await;
    service.pass(3599);
    let second = service.refresh(first.text("refresh_token")).await.assert_ok();
    service.pass(3600);
    service.refresh(second.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn refreshing_never_passes_the_absolute_lifetime() {
    let settings = [("tokens.refresh_idle_lifetime", "1h"), ("tokens.refresh_absolute_lifetime", "90m")];
    let service = Service::start_with(&settings).await;
    let mut token = service.login().await.text("refresh_token").to_owned();
    for _ in 0..2 {
        service.pass(2400);
        token = service.refresh(&token).await.assert_ok().text("refresh_token").to_owned();
    }
    service.pass(599);
    // A session's last access token ends with it.
    let last = service.refresh(&token).await.assert_ok();
    assert_eq!(last.body["expires_in"], 1);
    service.pass(1);
    service.refresh(last.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn a_client_set_not_to_rotate_keeps_its_token() {
    let service = Service::start().await;
    service.user("alice").await;
    let secret = generate_secret();
    let hash = SecretHash::of(&secret);
    service
        .public_with("server", move |client| {
            client.secret = Some(hash);
            client.refresh_rotation = false;
            client.refresh_idle_lifetime = Some(Duration::from_secs(100));
        })
        .await;
    let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let form = [("grant_type", "password"), ("username", "alice"), ("password", super::support::PASSWORD)];
    let login = service.post_as(("server", &secret), "/token", &form).await.assert_ok();
    let token = login.text("refresh_token");
    for _ in 0..3 {
        service.pass(99);
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let reply = service.post_as(("server", &secret), "/token", &form).await.assert_ok();
        assert_eq!(reply.text("refresh_token"), token);
    }
}

#[actix_rt::test]
async fn another_clients_token_is_refused_and_untouched() {
    let service = Service::start().await;
    let login = service.login().await;
    service.public("other").await;
    let token = login.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("client_id", "other"), ("refresh_token", token)];
    service.post("/token", &form).await.assert_error(400, "invalid_grant");
    service.refresh(token).await.assert_ok();
}

#[actix_rt::test]
async fn a_public_client_need_not_name_itself() {
    let service = Service::start().await;
    let login = service.login().await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", login.text("refresh_token"))];
    service.post("/token", &form).await.assert_ok();
}

#[actix_rt::test]
async fn a_confidential_client_must_prove_itself() {
    let service = Service::start().await;
    service.user("alice").await;
    let secret = service.confidential("server").await;
    let form = [("grant_type", "password"), ("username", "alice"), ("password", super::support::PASSWORD)];
    let login = service.post_as(("server", &secret), "/token", &form).await.assert_ok();
    let token = login.text("refresh_token");
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    service.post("/token", &form).await.assert_error(401, "invalid_client");
    service.post_as(("server", &secret), "/token", &form).await.assert_ok();
}

#[actix_rt::test]
async fn forged_and_foreign_tokens_touch_nothing() {
    let service = Service::start().await;
    let login = service.login().await;
    let good = login.text("refresh_token");
    let mut forged = good.to_owned();
    forged.replace_range(30..31, if &good[30..31] == "A" { "B" } else { "A" });
    for bad in [forged.as_str(), "cr1_", "nonsense", login.text("access_token")] {
        service.refresh(bad).await.assert_error(400, "invalid_grant");
    }
    let other = Service::start().await;
    let foreign = other.login().await;
    service.refresh(foreign.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.refresh(good).await.assert_ok();
}

#[actix_rt::test]
async fn a_disabled_user_or_client_ends_refreshing_for_good() {
    let service = Service::start().await;
    let login = service.login().await;
    let user = users::find(service.store(), "alice").await.unwrap();
    users::disable(service.store(), &user, service.now()).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(!service.is_active(login.text("access_token")).await);
    users::enable(service.store(), &user, service.now()).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");

    let login = service.login().await;
    let set = |disabled| {
        move |client: &mut clients::Client| {
            client.disabled = disabled;
            Ok(())
        }
    };
    clients::alter(service.store(), "web", service.now(), set(true)).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(401, "invalid_client");
    assert!(!service.is_active(login.text("access_token")).await);
    clients::alter(service.store(), "web", service.now(), set(false)).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn a_new_password_and_a_deletion_end_the_sessions() {
    let service = Service::start().await;
    let login = service.login().await;
    let user = users::find(service.store(), "alice").await.unwrap();
    let hash = service.hash(super::support::PASSWORD).await;
    users::set_password(service.store(), &user, hash, service.now()).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");

    let login = service.login().await;
    users::delete(service.store(), &user, service.now()).await.unwrap();
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(!service.is_active(login.text("access_token")).await);
}

#[actix_rt::test]
async fn a_thousand_rotations_leave_as_many_rows_as_one() {
    let service = Service::start().await;
    let mut token = service.login().await.text("refresh_token").to_owned();
    token = service.refresh(&token).await.assert_ok().text("refresh_token").to_owned();
    let after_one = super::store::count_rows(&service).await;
    for _ in 0..999 {
        token = service.refresh(&token).await.assert_ok().text("refresh_token").to_owned();
    }
    assert_eq!(super::store::count_rows(&service).await, after_one);
    assert_eq!(after_one, (1, 0));
}
