//! What the commands on signing keys do to a running service.

use super::keys::{keys_of, kid, kid_of, published};
use super::support::{MASTER_KEY as OLD_MASTER, START, Service, decode, load};
use chancery::app::App;
use chancery::keys::{KeyError, Keys, Promotion};
use chancery::store::totp;
use chancery::tokens::RefreshToken;

#[actix_rt::test]
async fn a_revoked_key_is_gone_at_once_and_the_next_one_signs() {
    let service = Service::start().await;
    let login = service.login().await;
    let stolen = kid(login.text("access_token"));
    assert!(service.is_active(login.text("access_token")).await);
    let (revocation, closed) = keys_of(&service).revoke(&stolen, false).await.unwrap();
    assert_eq!((revocation.unwrap().revoked.kid, closed), (stolen.clone(), 0));
    assert!(!published(&service).await.contains(&stolen));
    assert!(!service.is_active(login.text("access_token")).await);
    let refreshed = service.refresh(login.text("refresh_token")).await.assert_ok();
    assert_ne!(kid(refreshed.text("access_token")), stolen);
    assert!(service.is_active(refreshed.text("access_token")).await);
    let again = keys_of(&service).revoke(&stolen, false).await.unwrap();
    assert!(again.0.is_none(), "a second time changes nothing");
    let row = service.store().read(chancery::store::keys::load).await.unwrap();
    let row = row.signing.into_iter().find(|row| row.kid == stolen).unwrap();
    assert_eq!((row.state.as_str(), row.sealed_private_jwk), ("revoked", None));
}

#[actix_rt::test]
async fn a_revocation_may_close_every_session_and_spend_the_key_of_refresh_tokens() {
    let service = Service::start().await;
    let (login, other) = (service.login().await, service.login().await);
    let stolen = kid(login.text("access_token"));
    let (_, closed) = keys_of(&service).revoke(&stolen, true).await.unwrap();
    assert_eq!(closed, 2);
    for login in [&login, &other] {
        service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    }
    let fresh = service.login().await;
    service.refresh(fresh.text("refresh_token")).await.assert_ok();
    let (revoked_before, closed) = keys_of(&service).revoke(&stolen, true).await.unwrap();
    assert!(revoked_before.is_none());
    assert_eq!(closed, 1, "the sessions are closed all the same");
}

#[actix_rt::test]
async fn a_revoked_next_key_is_replaced_and_the_interlock_begins_anew() {
    let service = Service::start().await;
    let (active, next) = (kid_of(&service, "active").await, kid_of(&service, "next").await);
    service.pass(3600);
    keys_of(&service).revoke(&next, false).await.unwrap();
    assert_eq!(kid_of(&service, "active").await, active);
    assert!(matches!(keys_of(&service).rotate(Promotion::Command).await, Err(KeyError::TooEarly(_))));
    assert!(matches!(keys_of(&service).revoke("nobody", false).await, Err(KeyError::NotFound(_))));
}

#[actix_rt::test]
async fn a_server_with_another_algorithm_replaces_the_next_key_and_old_tokens_live_on() {
    let service = Service::start().await;
    let old = service.login().await;
    let settings = load(&service.backend, &service.url, &[("keys.algorithm", "ES256")]);
    let moved = App::open(settings, service.clock.clone()).await.unwrap().issuer.keys;
    keys_of(&service).reload().await.unwrap();
    assert_eq!(published(&service).await.len(), 2, "the replaced key never signed and is gone at once");
    service.pass(3600);
    let refreshed = service.refresh(old.text("refresh_token")).await.assert_ok();
    assert_eq!(decode(refreshed.text("access_token")).1["alg"], "RS256");
    moved.rotate(Promotion::Command).await.unwrap();
    keys_of(&service).reload().await.unwrap();
    let new = service.login().await;
    assert_eq!(decode(new.text("access_token")).1["alg"], "ES256");
    assert!(service.is_active(new.text("access_token")).await);
    assert!(service.is_active(refreshed.text("access_token")).await);
    let metadata = service.get("/.well-known/oauth-authorization-server").await.assert_ok();
    let algorithms = &metadata.body["id_token_signing_alg_values_supported"];
    assert_eq!(*algorithms, serde_json::json!(["ES256", "RS256"]));
    let jwks = service.get("/.well-known/jwks.json").await.body;
    assert_eq!(jwks["keys"][0]["alg"], "ES256", "the one that signs comes first");
}

#[actix_rt::test]
async fn records_of_keys_that_left_are_purged_and_those_of_revoked_keys_stay() {
    let service = Service::start_with(&[("keys.algorithm", "EdDSA")]).await;
    let keys = keys_of(&service);
    let first = kid_of(&service, "active").await;
    keys.rotate(Promotion::Forced).await.unwrap();
    let second = kid_of(&service, "active").await;
    keys.revoke(&second, false).await.unwrap();
    let replaced = kid_of(&service, "retired").await;
    assert_eq!(keys.purge(None).await.unwrap().len(), 1, "the key that never signed");
    assert_ne!(replaced, second);
    service.pass(25 * 3600);
    assert_eq!(keys.purge(Some(START)).await.unwrap(), Vec::<String>::new());
    assert_eq!(keys.purge(None).await.unwrap(), [first]);
    let left = keys.list().await.unwrap();
    assert!(left.iter().any(|key| key.kid == second));
    assert_eq!(left.len(), 3);
}

const NEW_MASTER: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

/// The ring as a command sees it.
async fn open(service: &Service, settings: &[(&str, &str)]) -> Result<Keys, KeyError> {
    let settings = load(&service.backend, &service.url, settings).keys;
    Keys::open(service.store().clone(), service.clock.clone(), settings).await
}

#[actix_rt::test]
async fn a_resealed_ring_opens_with_the_new_master_key_alone() {
    let service = Service::start().await;
    let login = service.login().await;
    let both = format!("{NEW_MASTER} {OLD_MASTER}");
    let keys = open(&service, &[("keys.master_key", &both)]).await.unwrap();
    assert_eq!(keys.reseal().await.unwrap().count, 3);
    let moved = open(&service, &[("keys.master_key", NEW_MASTER)]).await.unwrap();
    let token = RefreshToken::decode(login.text("refresh_token"), moved.ring().mac());
    assert!(token.is_some(), "the refresh token's key is the same");
    let refused = open(&service, &[("keys.master_key", OLD_MASTER)]).await.unwrap_err().to_string();
    assert!(refused.contains("master key is wrong"), "{refused}");
}

#[actix_rt::test]
async fn users_apps_are_sealed_anew_with_the_ring() {
    let service = Service::start().await;
    let mut sealed = Vec::new();
    for number in 0..120 {
        let id = service.user(&format!("user{number}")).await.id;
        let secret = service.app.issuer.keys.seal_totp(&id, &[number; 20]).await.unwrap().text;
        sealed.push((id, secret));
    }
    let old = sealed[0].1.clone();
    let propose = {
        let sealed = sealed.clone();
        move |conn: &mut _| {
            sealed.into_iter().try_for_each(|(id, text)| totp::propose(conn, &id, text).map(drop))
        }
    };
    service.store().write(propose).await.unwrap();
    let both = format!("{NEW_MASTER} {OLD_MASTER}");
    let keys = open(&service, &[("keys.master_key", &both)]).await.unwrap();
    assert_eq!(keys.reseal().await.unwrap().count, 3 + 120);
    let moved = open(&service, &[("keys.master_key", NEW_MASTER)]).await.unwrap();
    let rows = service.store().read(|conn| totp::page(conn, "", 200)).await.unwrap();
    for (id, text) in rows {
        let number = sealed.iter().position(|(known, _)| *known == id).unwrap();
        assert_eq!(*moved.unseal_totp(&id, &text).unwrap(), [u8::try_from(number).unwrap(); 20]);
    }
    assert!(moved.unseal_totp(&sealed[0].0, &old).is_err());
}

#[actix_rt::test]
async fn a_running_server_seals_under_the_master_key_that_comes_first_by_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    let write = |keys: [&str; 2]| std::fs::write(&file, keys.join("\n")).unwrap();
    write([OLD_MASTER, NEW_MASTER]);
    let from_file = [("keys.master_key", ""), ("keys.master_key_file", file.to_str().unwrap())];
    let service = Service::start_with(&from_file).await;
    write([NEW_MASTER, OLD_MASTER]);
    open(&service, &from_file).await.unwrap().reseal().await.unwrap();
    keys_of(&service).rotate(Promotion::Forced).await.unwrap();
    open(&service, &[("keys.master_key", NEW_MASTER)]).await.unwrap();
    // And one that is written down wrongly, or not at all, is not used.
    for wrong in ["nonsense", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI"] {
        std::fs::write(&file, wrong).unwrap();
        keys_of(&service).rotate(Promotion::Forced).await.unwrap();
        open(&service, &[("keys.master_key", NEW_MASTER)]).await.unwrap();
    }
}

#[actix_rt::test]
async fn a_command_with_another_algorithm_keeps_the_rings() {
    let service = Service::start_with(&[("keys.algorithm", "EdDSA")]).await;
    let keys = open(&service, &[("keys.algorithm", "PS256")]).await.unwrap();
    let rotated = keys.rotate(Promotion::Forced).await.unwrap();
    assert_eq!(rotated.next.algorithm.as_str(), "EdDSA");
}

#[actix_rt::test]
async fn a_key_that_is_made_during_a_resealing_is_sealed_under_the_new_master_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("master.key");
    std::fs::write(&file, OLD_MASTER).unwrap();
    // A large key, so that there is time in between.
    let settings = [
        ("keys.master_key", ""),
        ("keys.master_key_file", file.to_str().unwrap()),
        ("keys.rsa_bits", "4096"),
    ];
    let service = Service::start_with(&settings).await;
    service.pass(3600);
    let reseal = async {
        std::fs::write(&file, format!("{NEW_MASTER} {OLD_MASTER}")).unwrap();
        open(&service, &settings).await.unwrap().reseal().await.unwrap();
        std::fs::write(&file, NEW_MASTER).unwrap();
    };
    let (rotated, ()) = tokio::join!(keys_of(&service).rotate(Promotion::Command), reseal);
    rotated.unwrap();
    open(&service, &[("keys.master_key", NEW_MASTER)]).await.unwrap();
}

#[actix_rt::test]
async fn a_command_that_promises_more_than_the_ring_waits_for_it() {
    let service = Service::start().await;
    service.pass(3600);
    let patient = [("keys.propagation_time", "2h")];
    let keys = open(&service, &patient).await.unwrap();
    assert!(matches!(keys.rotate(Promotion::Command).await, Err(KeyError::TooEarly(_))));
    service.pass(3600);
    keys.rotate(Promotion::Command).await.unwrap();
}
