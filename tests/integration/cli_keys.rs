//! `chancery keys …` as the real binary, beside a running service whose clock stands in the future.

use super::keys::keys_of;
use super::place::Place;
use super::support::{Service, decode};
use serde_json::{Value, json};

fn of_state<'a>(list: &'a Value, state: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|key| key["state"] == state).unwrap()
}

/// All that a command could change, without what merely grows older.
fn listed(place: &Place) -> Value {
    let mut list = place.run("keys list --json").json();
    for key in list.as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("age_seconds");
    }
    list
}

#[actix_rt::test]
async fn keys_are_listed_and_rotated_beside_a_running_server() {
    let service = Service::start().await;
    let place = Place::of(&service);
    let before = listed(&place);
    let early = place.run("keys rotate").assert(5).stderr;
    let safe_at = of_state(&before, "next")["promotable_at"].as_str().unwrap();
    assert!(early.contains("--force") && early.contains(safe_at), "{early}");
    place.run("keys rotate --dry-run").assert(5);
    let by_force = place.run("keys rotate --dry-run --force --json").assert(0);
    assert!(by_force.stderr.contains("by force: it is safe from"), "{}", by_force.stderr);
    assert_eq!(by_force.json()["active"], of_state(&before, "next")["kid"]);
    assert_eq!(listed(&place), before);
    let rotated = place.run("keys rotate --force --json").assert(0);
    assert!(rotated.stderr.contains("event=\"keys_rotated\" by=\"forced\""), "{}", rotated.stderr);
    assert!(rotated.stderr.contains("This was too early"), "{}", rotated.stderr);
    let rotated = rotated.json();
    assert_eq!(rotated["active"], of_state(&before, "next")["kid"]);
    assert_eq!(rotated["retired"], of_state(&before, "active")["kid"]);
    assert_eq!(of_state(&listed(&place), "active")["promoted_by"], "forced");
    keys_of(&service).reload().await.unwrap();
    let (_, header) = decode(service.login().await.text("access_token"));
    assert_eq!(header["kid"], rotated["active"]);
}

#[actix_rt::test]
async fn the_table_and_the_picture_tell_what_comes_when() {
    let service = Service::start().await;
    let place = Place::of(&service);
    place.run("keys rotate --force").assert(0);
    let keys = listed(&place);
    let retired = of_state(&keys, "retired");
    assert_eq!(retired["signatures_alive"], true);
    assert!(retired["signatures_until"].as_str() < retired["leaves_at"].as_str());
    assert!(of_state(&keys, "next")["scheduled_at"].is_string());
    let table = place.run("keys list").assert(0);
    for column in ["age", "published since", "safe to promote at", "leaves JWKS at", "signatures alive"] {
        assert!(table.stdout.contains(column), "{}", table.stdout);
    }
    assert!(table.stderr.contains("a server rotates at"), "{}", table.stderr);
    let picture = place.run("keys list --timeline").assert(0).stdout;
    assert!(picture.contains("now") && picture.contains("█ signs"), "{picture}");
    for key in keys.as_array().unwrap() {
        assert!(picture.contains(&key["kid"].as_str().unwrap()[..8]), "{picture}");
    }
}

#[actix_rt::test]
async fn a_revocation_says_plainly_who_may_still_accept_the_key() {
    let service = Service::start().await;
    let place = Place::of(&service);
    let login = service.login().await;
    let keys = listed(&place);
    let active = of_state(&keys, "active")["kid"].as_str().unwrap();
    let told = place.run(&format!("keys revoke {active} --json")).assert(0);
    for said in ["reload_interval (10s)", "max-age (5m)", "docs/key-rotation.md", "No session was closed"] {
        assert!(told.stderr.contains(said), "{said}: {}", told.stderr);
    }
    let told = told.json();
    assert_eq!((&told["revoked"], &told["closed"]), (&json!(active), &json!(0)));
    assert_eq!(told["active"], of_state(&keys, "next")["kid"]);
    keys_of(&service).reload().await.unwrap();
    assert!(!service.is_active(login.text("access_token")).await);
    assert!(told["servers_drop_by"].as_str() < told["caches_expire_by"].as_str());
    let again = place.run(&format!("keys revoke {} --close-sessions --json", &active[..8])).json();
    assert_eq!((&again["active"], &again["closed"]), (&Value::Null, &json!(1)));
    place.run("keys revoke -nobody").assert(3);
}

#[test]
fn a_master_key_is_made_without_a_database_and_never_over_another() {
    let place = Place::new();
    let printed = place.run("keys generate-master-key").assert(0).stdout;
    assert_eq!(printed.trim().len(), 43);
    place.run("keys generate-master-key --output new.key").assert(0);
    let kept = std::fs::read_to_string(place.path().join("new.key")).unwrap();
    assert_ne!(kept, printed);
    place.run("keys generate-master-key --output new.key").assert(4);
    place.run("keys generate-master-key --output absent/new.key").assert(1);
    assert_eq!(std::fs::read_to_string(place.path().join("new.key")).unwrap(), kept);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[actix_rt::test]
async fn an_export_needs_to_know_what_of_and_how() {
    let service = Service::start().await;
    let place = Place::of(&service);
    let keys = listed(&place);
    let active = of_state(&keys, "active")["kid"].as_str().unwrap();
    let pem = place.run(&format!("keys export {active} --public --pem")).assert(0).stdout;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"));
    let jwk = place.run("keys export active --public --jwk").json();
    let jwks = service.get("/.well-known/jwks.json").await.body;
    assert!(jwks["keys"].as_array().unwrap().contains(&jwk));
    place.run(&format!("keys export {active} --pem")).assert(2);
    place.run(&format!("keys export {active} --public")).assert(2);
    place.run(&format!("keys export {active} --public --pem --jwk")).assert(2);
    place.run("keys export -nobody --public --pem").assert(3);
}

#[actix_rt::test]
async fn config_check_refuses_a_retention_shorter_than_a_clients_tokens() {
    let service = Service::start().await;
    service
        .public_with("slow", |client| {
            client.access_token_lifetime = Some(std::time::Duration::from_secs(12 * 3600));
        })
        .await;
    let mut place = Place::of(&service);
    place.set("CHANCERY__ISSUER__URL", "https://auth.example.com");
    place.run("config check").assert(0);
    place.set("CHANCERY__KEYS__RETENTION", "12h");
    let refused = place.run("config check").assert(2).stderr;
    assert!(refused.contains("keys.retention") && refused.contains("slow"), "{refused}");
    assert!(refused.contains("12h 1m 10s"), "{refused}");
    place.set("CHANCERY__KEYS__RETENTION", "12h 1m 10s");
    place.run("config check").assert(0);
}
