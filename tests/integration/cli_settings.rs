//! `chancery config`, and settings that keep a command from running.

use super::place::Place;

#[test]
fn every_configuration_fault_is_told_at_once() {
    let mut place = Place::new();
    place.set("CHANCERY__KEYS__RSA_BITS", "1024");
    place.set("CHANCERY__NO__SUCH", "1");
    std::fs::write(place.path().join("chancery.toml"), "[tokens]\naccess_token_lifetime = \"soon\"\n")
        .unwrap();
    let told = place.run("config check").assert(2).stderr;
    for part in
        ["keys.rsa_bits", "CHANCERY__NO__SUCH", "tokens.access_token_lifetime", "set in chancery.toml"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
    place.run("--config absent.toml config show").assert(2);
    std::fs::write(place.path().join("broken.toml"), "[keys]\nmaster_key = hunter2\n").unwrap();
    let told = place.run("--config broken.toml config check").assert(2).stderr;
    assert!(told.contains("line 2") && told.contains("broken.toml") && !told.contains("hunter2"), "{told}");
}

#[test]
fn an_issuer_that_is_not_https_is_refused_unless_told_so() {
    let mut place = Place::new();
    assert!(place.run("serve").assert(2).stderr.contains("issuer.url"));
    place.set("CHANCERY__ISSUER__URL", "http://auth.example.com");
    assert!(place.run("serve").assert(2).stderr.contains("https"));
    place.set("CHANCERY__ISSUER__ALLOW_INSECURE_HTTP", "true");
    place.run("config check").assert(0);
    place.set("CHANCERY__KEYS__MASTER_KEY", "short");
    assert!(place.run("config check").assert(2).stderr.contains("32 bytes"));
}

#[test]
fn clients_that_the_settings_name_must_be_there_and_fit() {
    let mut place = Place::with_database();
    place.set("CHANCERY__ISSUER__URL", "https://auth.example.com");
    place.set("CHANCERY__BROWSER__CLIENT", "web");
    place.set("CHANCERY__OAUTH__DEFAULT_CLIENT", "web");
    place.run("clients create --id other --public --grant password").assert(0);
    let told = place.run("config check").assert(2).stderr;
    for key in ["browser.client", "oauth.default_client"] {
        assert!(told.contains(&format!("{key} (CHANCERY__")), "{told}");
    }
    place.run("clients create --id web --public --grant password").assert(0);
    let told = place.run("config check").assert(2).stderr;
    assert!(told.contains("browser.client") && told.contains("password and refresh_token"), "{told}");
    assert!(!told.contains("oauth.default_client"), "{told}");
    place.run("clients set web --grant password --grant refresh_token").assert(0);
    place.run("config check").assert(0);
}

#[test]
fn the_settings_are_shown_as_toml_that_reads_back_without_secrets() {
    let mut place = Place::new();
    place.set("CHANCERY__DATABASE__URL", "postgres://u:hunter2@localhost/x");
    place.set("CHANCERY__KEYS__MASTER_KEY", "hunter2hunter2");
    place.set("CHANCERY__TOKENS__AUDIENCE", "https://a https://b");
    let shown = place.run("config show").assert(0).stdout;
    assert!(!shown.contains("hunter2"), "{shown}");
    let table: toml::Table = shown.parse().unwrap();
    assert_eq!(table["jwks"]["max_age"].as_str(), Some("5m"));
    let as_json = place.run("config show --json").json();
    assert_eq!(as_json["password.queue"]["value"], 64);
    assert!(as_json["tokens.audience"]["origin"].as_str().unwrap().contains("environment"));
}
