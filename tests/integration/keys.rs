//! The signing keys over time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::backend::Backend;
use super::support::{START, Service, decode, load};
use chancery::app::App;
use chancery::clock::Clock;
use chancery::keys::{KeyError, KeyState, Keys, Promotion};
use chancery::store::keys::{self as table, RingChange};

pub fn keys_of(service: &Service) -> &Keys {
    &service.app.issuer.keys
}

pub async fn kid_of(service: &Service, state: &str) -> String {
    let keys = keys_of(service).list().await.unwrap();
    keys.iter().find(|key| key.state.name() == state).unwrap().kid.clone()
}

pub fn kid(token: &str) -> String {
    decode(token).1["kid"].as_str().unwrap().to_owned()
}

pub async fn published(service: &Service) -> Vec<String> {
    let jwks = service.get("/.well-known/jwks.json").await.assert_ok();
    let keys = jwks.body["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[actix_rt::test]
async fn a_rotation_before_the_propagation_time_is_refused_and_changes_nothing() {
    let service = Service::start().await;
    let keys = &service.app.issuer.keys;
    service.pass(3599);
    let before = keys.list().await.unwrap().len();
    let refused = keys.rotate(Promotion::Command).await.unwrap_err();
    assert!(matches!(refused, KeyError::TooEarly(_)));
    let safe_at = START + Duration::from_secs(3600);
    assert!(refused.to_string().contains(&safe_at.to_string()), "{refused}");
    assert_eq!(keys.list().await.unwrap().len(), before);
    service.pass(1);
    keys.rotate(Promotion::Command).await.unwrap();
}

#[actix_rt::test]
async fn a_rotation_lets_the_published_key_sign_and_keeps_the_old_one_published() {
    let service = Service::start().await;
    let old = service.login().await;
    let before = published(&service).await;
    service.pass(3600);
    service.app.issuer.keys.rotate(Promotion::Command).await.unwrap();
    let new = service.login().await;
    assert_ne!(kid(old.text("access_token")), kid(new.text("access_token")));
    assert!(before.contains(&kid(new.text("access_token"))), "it was published beforehand");
    let after = published(&service).await;
    assert_eq!(after.len(), 3);
    assert!(after.contains(&kid(old.text("access_token"))));
    assert!(service.is_active(new.text("access_token")).await);
}

#[actix_rt::test]
async fn a_retired_key_loses_its_private_half_and_leaves_after_the_retention() {
    let service = Service::start().await;
    let old = kid(service.login().await.text("access_token"));
    let keys = &service.app.issuer.keys;
    keys.rotate(Promotion::Forced).await.unwrap();
    let rows = service.store().read(chancery::store::keys::load).await.unwrap();
    let retired = rows.signing.iter().find(|row| row.kid == old).unwrap();
    assert_eq!((retired.state.as_str(), &retired.sealed_private_jwk), ("retired", &None));
    service.pass(25 * 3600 - 1);
    keys.reload().await.unwrap();
    assert!(published(&service).await.contains(&old));
    service.pass(1);
    keys.reload().await.unwrap();
    assert!(!published(&service).await.contains(&old));
    assert_eq!(keys.list().await.unwrap().len(), 3, "the record stays");
}

#[actix_rt::test]
async fn an_instance_takes_up_what_another_rotated() {
    let service = Service::start().await;
    let settings = service.app.issuer.settings.keys.clone();
    let other = Keys::open(service.store().clone(), service.clock.clone(), settings).await.unwrap();
    other.rotate(Promotion::Forced).await.unwrap();
    let before = kid(service.login().await.text("access_token"));
    service.app.issuer.keys.reload().await.unwrap();
    let after = kid(service.login().await.text("access_token"));
    assert_ne!(before, after);
}

#[actix_rt::test]
async fn rotations_at_once_are_one_rotation() {
    let service = Service::start().await;
    let keys = &service.app.issuer.keys;
    let results = futures_util::future::join_all((0..4).map(|_| keys.rotate(Promotion::Forced))).await;
    let done = results.iter().filter(|result| result.is_ok()).count();
    let raced = results.iter().filter(|result| matches!(result, Err(KeyError::Raced))).count();
    assert_eq!((done, raced), (1, 3), "{results:?}");
    let list = keys.list().await.unwrap();
    let active = list.iter().filter(|key| matches!(key.state, KeyState::Active { .. })).count();
    let next = list.iter().filter(|key| key.state == KeyState::Next).count();
    assert_eq!((active, next, list.len()), (1, 1, 2 + done));
}

#[actix_rt::test]
async fn instances_that_start_at_once_share_one_ring() {
    let backend = Backend::empty();
    let open = || App::open(load(&backend, "http://127.0.0.1", &[]), Clock::manual(START));
    let (one, other) = tokio::join!(open(), open());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.issuer.keys.ring().jwks(), other.issuer.keys.ring().jwks());
    assert_eq!(one.issuer.keys.list().await.unwrap().len(), 2);
}

#[actix_rt::test]
async fn a_wrong_or_missing_master_key_is_a_clear_error_and_changes_nothing() {
    let service = Service::start().await;
    let store = service.store();
    let before = store.read(chancery::store::keys::load).await.unwrap();
    let wrong = [("keys.master_key", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE")];
    let settings = load(&service.backend, &service.url, &wrong);
    let error = App::open(settings, service.clock.clone()).await.unwrap_err().to_string();
    assert!(error.contains("master key is wrong"), "{error}");
    let path = service.backend.folder.path().join("absent.key");
    let missing = [("keys.master_key", ""), ("keys.master_key_file", path.to_str().unwrap())];
    let settings = load(&service.backend, &service.url, &missing);
    let error = App::open(settings, service.clock.clone()).await.unwrap_err().to_string();
    assert!(error.contains("absent.key"), "{error}");
    assert!(!path.exists());
    assert_eq!(store.read(chancery::store::keys::load).await.unwrap(), before);
}

#[actix_rt::test]
async fn larger_keys_sign_too() {
    let service = Service::start_with(&[("keys.rsa_bits", "3072")]).await;
    service.app.issuer.keys.rotate(Promotion::Forced).await.unwrap();
    service.app.issuer.keys.rotate(Promotion::Forced).await.unwrap();
    let login = service.login().await;
    let signature = login.text("access_token").rsplit('.').next().unwrap().len();
    assert_eq!(signature, 512);
    assert!(service.is_active(login.text("access_token")).await);
}

async fn service_token(service: &Service, secret: &str) -> super::support::Reply {
    service.post_as(("worker", secret), "/token", &[("grant_type", "client_credentials")]).await
}

#[actix_rt::test]
async fn the_schedule_rotates_when_it_is_due_and_not_before() {
    let service = Service::start_with(&[("keys.rotation_interval", "2h")]).await;
    service.pass(7199);
    assert!(!keys_of(&service).tend().await.unwrap());
    service.pass(1);
    assert!(keys_of(&service).tend().await.unwrap());
    assert!(!keys_of(&service).tend().await.unwrap());
    let list = keys_of(&service).list().await.unwrap();
    let active = list.iter().find(|key| key.is_active()).unwrap();
    assert_eq!(active.promoted_by, Some(Promotion::Schedule));
}

#[actix_rt::test]
async fn without_an_interval_no_server_rotates() {
    let service = Service::start_with(&[("keys.rotation_interval", "0s")]).await;
    service.pass(10 * 365 * 24 * 3600);
    assert!(!keys_of(&service).tend().await.unwrap());
}

#[actix_rt::test]
async fn of_instances_and_commands_that_rotate_at_once_one_does_a_hundred_times() {
    let settings =
        [("keys.algorithm", "EdDSA"), ("keys.rotation_interval", "1h"), ("keys.propagation_time", "1h")];
    let service = Service::start_with(&settings).await;
    let instances = [service.beside().await, service.beside().await];
    for round in 1..=100 {
        service.pass(3600);
        let servers = [&service, &instances[0], &instances[1]];
        let tend = servers.map(|one| keys_of(one).tend());
        let settings = service.app.issuer.settings.keys.clone();
        let command = || async {
            let keys = Keys::open(service.store().clone(), service.clock.clone(), settings.clone()).await;
            keys.unwrap().rotate(Promotion::Command).await
        };
        let (by_schedule, one, other) =
            tokio::join!(futures_util::future::join_all(tend), command(), command());
        let by_schedule = by_schedule.into_iter().filter(|done| *done.as_ref().unwrap()).count();
        let by_command = [one, other].iter().filter(|done| done.is_ok()).count();
        assert_eq!(by_schedule + by_command, 1, "round {round}");
    }
    let list = keys_of(&service).list().await.unwrap();
    assert_eq!(list.iter().filter(|key| key.activated_at().is_some()).count(), 101);
}

#[actix_rt::test]
async fn what_needed_no_force_was_not_forced() {
    let service = Service::start().await;
    service.pass(3600);
    let rotated = keys_of(&service).rotate(Promotion::Forced).await.unwrap();
    assert_eq!(rotated.active.promoted_by, Some(Promotion::Command));
}

#[actix_rt::test]
async fn a_forced_rotation_is_on_record() {
    let service = Service::start().await;
    keys_of(&service).rotate(Promotion::Forced).await.unwrap();
    let list = keys_of(&service).list().await.unwrap();
    let promotions: Vec<_> = list.iter().filter_map(|key| key.promoted_by).collect();
    assert_eq!(promotions.len(), 2);
    assert!(promotions.contains(&Promotion::First) && promotions.contains(&Promotion::Forced));
}

#[actix_rt::test]
async fn an_instance_with_a_longer_retention_or_propagation_binds_the_others() {
    let service = Service::start().await;
    let generous = [("keys.retention", "40h"), ("keys.propagation_time", "3h")];
    let settings = load(&service.backend, &service.url, &generous);
    let _other = App::open(settings, service.clock.clone()).await.unwrap();
    let old = kid_of(&service, "active").await;
    service.pass(3600);
    let early = keys_of(&service).rotate(Promotion::Command).await.unwrap_err();
    assert!(matches!(early, KeyError::TooEarly(_)), "{early}");
    service.pass(2 * 3600);
    keys_of(&service).rotate(Promotion::Command).await.unwrap();
    service.pass(40 * 3600 - 1);
    keys_of(&service).reload().await.unwrap();
    assert!(published(&service).await.contains(&old));
    service.pass(1);
    keys_of(&service).reload().await.unwrap();
    assert!(!published(&service).await.contains(&old));
}

/// Puts another sealed half in the next key's row; returns the one that was there.
async fn replace_seal(service: &Service, sealed: &str) -> String {
    let sealed = sealed.to_owned();
    let replace = |conn: &mut _| {
        let mut rows = table::load(conn)?;
        let row = rows.signing.iter_mut().find(|row| row.state == "next").unwrap();
        let former = row.sealed_private_jwk.replace(sealed);
        let signing = vec![row.clone()];
        table::apply(conn, &RingChange { version: rows.version, signing, ..RingChange::default() })?;
        Ok(former)
    };
    service.store().write(replace).await.unwrap().unwrap()
}

#[actix_rt::test]
async fn an_instance_that_cannot_take_up_the_ring_signs_no_more_and_still_publishes() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    service_token(&service, &secret).await.assert_ok();
    let before = published(&service).await;
    let whole = replace_seal(&service, "damaged").await;
    service.pass(10);
    service_token(&service, &secret).await.assert_ok();
    service.pass(1);
    let refused = service_token(&service, &secret).await;
    refused.assert_error(503, "temporarily_unavailable");
    let readiness = service.get("/readyz").await;
    assert_eq!((readiness.status, readiness.text("keys")), (503, "unavailable"));
    assert_eq!(readiness.text("database"), "ok");
    assert_eq!(published(&service).await, before);
    replace_seal(&service, &whole).await;
    service_token(&service, &secret).await.assert_ok();
}

#[actix_rt::test]
async fn a_clock_that_is_set_back_does_not_pass_an_old_ring_for_a_new_one() {
    let service = Service::start().await;
    let secret = service.confidential("worker").await;
    service.pass(3600);
    service_token(&service, &secret).await.assert_ok();
    let Clock::Manual(seconds) = &service.clock else { panic!("the clock is the system's") };
    seconds.fetch_sub(3600, Ordering::SeqCst);
    replace_seal(&service, "damaged").await;
    service_token(&service, &secret).await.assert_error(503, "temporarily_unavailable");
}
