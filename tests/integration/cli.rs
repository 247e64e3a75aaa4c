//! The command line, as the real binary.

use super::place::Place;
use super::support::{PASSWORD, Service};
use serde_json::{Value, json};

#[test]
fn a_user_is_made_shown_changed_and_deleted() {
    let place = Place::with_database();
    let line = "users create Alice --email a@example.com --scope read --scope write --password-stdin --json";
    let made = place.run_with(line, "secret\n").json();
    assert_eq!((&made["username"], &made["scopes"]), (&json!("Alice"), &json!("read write")));
    assert_eq!(place.run("users show ALICE --json").json()["id"], made["id"]);
    let by_id = format!("users show {} --json", made["id"].as_str().unwrap());
    assert_eq!(place.run(&by_id).json()["email"], "a@example.com");
    assert_eq!(place.run("users disable alice --json").json()["disabled"], true);
    assert_eq!(place.run("users enable alice --json").json()["disabled"], false);
    place.run_with("users set-password alice --password-stdin", "other\n").assert(0);
    assert_eq!(place.run("users list --json").json().as_array().unwrap().len(), 1);
    place.run("users delete alice").assert(0);
    place.run("users show alice").assert(3);
    assert_eq!(place.run("users list --json").json(), json!([]));
}

#[test]
fn exit_codes_tell_what_went_wrong() {
    let place = Place::new();
    for early in ["users list", "migrate status", "keys list", "sessions list", "clients show x"] {
        assert!(place.run(early).assert(1).stderr.contains("no such file"), "{early}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "looking makes nothing");
    let place = Place::with_database();
    place.run_with("users create alice --password-stdin", "x").assert(0);
    assert!(place.run_with("users create ALICE --password-stdin", "x").assert(4).stderr.contains("exists"));
    for missing in [
        "users show bob",
        "users disable bob",
        "users delete bob",
        "clients show x",
        "clients disable x",
        "clients delete x",
        "clients set x --grant password",
        "clients rotate-secret x",
        "sessions close nonsense",
        "sessions close 018f0000-0000-7000-8000-000000000000",
        "sessions close --user bob",
        "sessions list --client x",
    ] {
        assert!(place.run(missing).assert(3).stderr.contains("there is no"), "{missing}");
    }
    for wrong in [
        "users",
        "users create",
        "users create a b --password-stdin",
        "clients create --id x",
        "clients create --public --confidential",
        "clients create --public",
        "clients create --public --grant client_credentials",
        "clients create --public --grant magic",
        "clients create --public --grant password --claims {\"sub\":1}",
        "clients create --public --grant password --access-token-lifetime 25h",
        "clients create --public --grant password --refresh-rotation false",
        "sessions close",
        "sessions close --before yesterday",
        "dev --bind 0.0.0.0:8080",
        "serve",
        "config check",
    ] {
        place.run(wrong).assert(2);
    }
    place.run("keys rotate").assert(1);
}

#[test]
fn a_password_is_never_an_argument_and_never_empty_or_too_long() {
    let place = Place::with_database();
    place.run("users create alice --password secret").assert(2);
    place.run_with("users create alice --password-stdin", "\n").assert(2);
    place.run_with("users create alice --password-stdin", &"x".repeat(1025)).assert(2);
    // No terminal to ask at.
    assert!(place.run("users create alice").assert(2).stderr.contains("--password-stdin"));
    std::fs::write(place.path().join("password"), "from a file\n").unwrap();
    place.run("users create alice --password-file password").assert(0);
    place.run("users create bob --password-file absent").assert(1);
}

#[test]
fn a_client_is_made_changed_and_given_a_new_secret() {
    let place = Place::with_database();
    let made = place.run_arguments(
        &[
            "clients",
            "create",
            "--id",
            "api",
            "--confidential",
            "--grant",
            "client_credentials",
            "--scope",
            "read write",
            "--default-scope",
            "read",
            "--audience",
            "https://a",
            "--audience",
            "https://b",
            "--token-type",
            "JWT",
            "--access-token-lifetime",
            "5m",
            "--claims",
            r#"{"role":"anon"}"#,
            "--json",
        ],
        "",
    );
    let made = made.json();
    let secret = made["client_secret"].as_str().unwrap();
    assert!(secret.len() >= 32 && secret.chars().all(|c| c.is_ascii_alphanumeric()));
    assert_eq!(made["audience"], json!(["https://a", "https://b"]));
    assert_eq!((&made["token_type"], &made["access_token_lifetime"]), (&json!("JWT"), &json!("5m")));
    let shown = place.run("clients show api --json").json();
    assert_eq!((&shown["client_secret"], &shown["default_scopes"]), (&Value::Null, &json!("read")));
    let set = "clients set api --audience default --default-scope default --token-type default \
               --access-token-lifetime default --refresh-reuse-leeway 10s --json";
    let set = place.run(set).json();
    for default in ["audience", "default_scopes", "token_type", "access_token_lifetime"] {
        assert_eq!(set[default], Value::Null, "{default}");
    }
    assert_eq!((&set["refresh_reuse_leeway"], &set["scopes"]), (&json!("10s"), &json!("read write")));
    let rotated = place.run("clients rotate-secret api --json").json();
    assert_ne!(rotated["client_secret"], made["client_secret"]);
    let generated = place.run("clients create --public --grant password --json").json();
    assert_eq!(generated["client_id"].as_str().unwrap().len(), 22);
    assert!(generated.get("client_secret").is_none());
    place.run("clients rotate-secret api --json").assert(0);
    place.run("clients delete api").assert(0);
}

#[test]
fn tables_are_for_people_and_hide_control_characters() {
    let place = Place::with_database();
    place
        .run_arguments(&["users", "create", "a", "--email", "x\u{1b}[31m", "--password-stdin"], "p")
        .assert(0);
    let table = place.run("users list").assert(0).stdout;
    assert!(table.contains("username") && !table.contains('\u{1b}'), "{table}");
}

#[test]
fn migrations_run_once_and_tell_their_status() {
    let place = Place::with_database();
    assert!(!place.run("migrate --json").json()["applied"].as_array().unwrap().is_empty());
    assert_eq!(place.run("migrate --json").json()["applied"], json!([]));
    let status = place.run("migrate status --json").json();
    assert!(status.as_array().unwrap().iter().all(|one| one["applied"] == true));
}

#[test]
fn an_unusable_database_is_one_clear_line() {
    let mut place = Place::new();
    for (url, code) in [
        ("sqlite:///nonexistent/folder/x.db", 1),
        ("postgres://u:hunter2@127.0.0.1:1/x", 1),
        ("postgres://u:hunter2%zz@127.0.0.1:1/x", 1),
        ("postgres://u:hunter2%zz@127.0.0.1:1/x?application_name=a@b", 1),
        ("postgres://u@127.0.0.1:1/x?password=hunter2%zz", 1),
        ("postgres://u:hunter2/x@127.0.0.1:1/x", 2),
        ("postgres://u:hunter2@[::1/x", 2),
    ] {
        place.set("CHANCERY__DATABASE__URL", url);
        let told = place.run("users list").assert(code).stderr;
        assert!(told.lines().count() == 1 && !told.contains("hunter2"), "{told}");
    }
    place.set("CHANCERY__DATABASE__URL", "mysql://x");
    place.run("users list").assert(2);
}

#[test]
fn healthcheck_tells_that_nobody_answers() {
    let place = Place::new();
    assert!(place.run("healthcheck --address 127.0.0.1:1").assert(1).stderr.contains("does not answer"));
}

#[actix_rt::test]
async fn sessions_are_listed_and_closed_beside_a_running_server() {
    let service = Service::start().await;
    let place = Place::of(&service);
    let logins = [service.login().await, service.login().await, service.login().await];
    let listed = place.run("sessions list --user alice --json").json();
    assert_eq!(listed[0]["address"], "127.0.0.1");
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let (claims, _) = super::support::decode(logins[0].text("access_token"));
    let id = claims["sid"].as_str().unwrap();
    assert_eq!(place.run(&format!("sessions close {id} --json")).json()["closed"], 1);
    assert_eq!(place.run(&format!("sessions close {id} --json")).json()["closed"], 0);
    service.refresh(logins[0].text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(!service.is_active(logins[0].text("access_token")).await);
    assert_eq!(place.run("sessions close --before 2020-01-01T00:00:00Z --json").json()["closed"], 0);
    assert_eq!(place.run("sessions close --client web --json").json()["closed"], 2);
    let states: Vec<_> = place.run("sessions list --json").json().as_array().unwrap().clone();
    assert!(states.iter().all(|session| session["close_reason"] == "administrator"));
    let login = service.login().await;
    assert_eq!(place.run("sessions close --all --json").json()["closed"], 1);
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
}

#[actix_rt::test]
async fn what_ends_an_account_ends_its_sessions_at_once() {
    let service = Service::start().await;
    let place = Place::of(&service);
    for (command, stdin) in [
        ("users set-password alice --password-stdin", PASSWORD),
        ("clients disable web", ""),
        ("users disable alice", ""),
    ] {
        let login = service.login().await;
        place.run_with(command, stdin).assert(0);
        assert!(!service.is_active(login.text("access_token")).await, "{command}");
        assert!(!service.is_active(login.text("refresh_token")).await, "{command}");
        place.run("clients enable web").assert(0);
        service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    }
}
