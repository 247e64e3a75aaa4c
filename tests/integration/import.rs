//! `users import` and `users export`, as the real binary.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;

use super::other_hashes::HASHES;
use super::place::Place;
use super::support::{PASSWORD, Service};
use serde_json::{Value, json};

fn lines(users: &[(&str, &str)]) -> String {
    users.iter().fold(String::new(), |mut text, (name, hash)| {
        writeln!(text, "{}", json!({ "username": name, "password_hash": hash })).unwrap();
        text
    })
}

/// What `--json` says of new, known and refused lines.
fn counts(summary: &str) -> [u64; 3] {
    let summary: Value = serde_json::from_str(summary).unwrap();
    ["imported", "already_there", "refused"].map(|name| summary[name].as_u64().unwrap())
}

fn faults(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path().join("faults")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[actix_rt::test]
async fn imported_users_log_in_with_their_old_passwords() {
    let service = Service::start().await;
    service.public("web").await;
    let place = Place::of(&service);
    let outcome = place.run_with("users import - --json", &lines(&HASHES)).assert(0);
    assert_eq!(counts(&outcome.stdout), [7, 0, 0]);
    assert!(outcome.stderr.contains("7 user(s) are imported"), "{}", outcome.stderr);
    for (name, _) in HASHES {
        service.login_as(name, "web").await;
    }
    // Again, after all of them were hashed anew: the lines name no id and no time, so that they cannot be told apart
    // from others of the same name.
    let again = place.run_with("users import - --json", &lines(&HASHES)).assert(6);
    assert_eq!(counts(&again.stdout), [0, 0, 7]);
    for (name, _) in HASHES {
        service.login_as(name, "web").await;
    }
    let exported = place.run("users export --with-hashes").assert(0).stdout;
    assert_eq!(exported.matches("$argon2id$").count(), 7);
}

#[test]
fn an_import_that_was_interrupted_is_run_again() {
    let place = Place::with_database();
    let (_, hash) = HASHES[0];
    let line = |number: u32, hash: &str| {
        format!("018f0000-0000-7000-8000-{number:012},user{number},{hash},2020-01-01T00:00:00Z\n")
    };
    let all: String = (0..1234).map(|number| line(number, hash)).collect();
    let header = "id,username,password_hash,created_at\n";
    let half = format!("{header}{}", &all[..all.len() / 2]);
    // Cut off within a line, which is not imported.
    assert_eq!(counts(&place.run_with("users import - --json", &half).assert(6).stdout), [618, 0, 1]);
    std::fs::write(place.path().join("users.csv"), format!("{header}{all}")).unwrap();
    for (dry, expected) in [(" --dry-run", [616, 618, 0]), ("", [616, 618, 0]), ("", [0, 1234, 0])] {
        let outcome = place.run(&format!("users import users.csv --json{dry}")).assert(0);
        assert_eq!(counts(&outcome.stdout), expected, "{dry}");
    }
    // Whose hash was upgraded since is known by the id, or by when the account was made.
    let upgraded = format!("{header}{}", line(1, "!"));
    assert_eq!(counts(&place.run_with("users import - --json", &upgraded).assert(0).stdout), [0, 1, 0]);
    let dated =
        "username,password_hash,created_at\nuser1,!,2020-01-01T00:00:00Z\nuser1,!,2020-01-01T00:00:01Z\n";
    assert_eq!(counts(&place.run_with("users import - --json", dated).assert(6).stdout), [0, 1, 1]);
    assert_eq!(place.run("users list --json").json().as_array().unwrap().len(), 1234);
}

#[test]
fn what_is_wrong_is_told_line_by_line_and_the_rest_is_imported() {
    let place = Place::with_database();
    place.run_with("users create alice --password-stdin", "x").assert(0);
    let (_, hash) = HASHES[0];
    let text = format!(
        "{}not json\n{}{}\n{}",
        lines(&[("ALICE", hash), ("bob", "5f4dcc3b5aa765d61d8327deb882cf99"), ("carol", hash)]),
        lines(&[
            ("Carol", hash),
            ("carol", "!"),
            ("dave", "$2b$31$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W")
        ]),
        json!({ "username": "erin", "password_hash": "!", "id": "018f0000-0000-7000-8000-00000000000a" }),
        json!({ "username": "frank", "password_hash": "!", "id": "018F0000-0000-7000-8000-00000000000A" }),
    );
    for (mode, expected) in [(" --dry-run", [2, 1, 6]), ("", [2, 1, 6])] {
        let line = format!("users import - --json --errors faults{mode}");
        let outcome = place.run_with(&line, &text).assert(6);
        assert_eq!(counts(&outcome.stdout), expected, "{mode}");
        let told: Vec<_> = faults(&place)
            .iter()
            .map(|fault| (fault["line"].as_u64().unwrap(), fault["username"].as_str().map(str::to_owned)))
            .collect();
        let of = |name: &str| Some(name.to_owned());
        assert_eq!(
            told,
            [(1, of("ALICE")), (2, None), (4, None), (6, of("carol")), (7, None), (9, of("frank"))]
        );
        assert!(!outcome.stderr.contains(hash) && !outcome.stderr.contains("5f4d"));
    }
    let mode = std::fs::metadata(place.path().join("faults")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(place.run("users list --json").json().as_array().unwrap().len(), 3);
    let told = place.run_with("users import -", &text).assert(6).stderr;
    assert!(told.contains("line 2: ") && told.contains("line 6 (carol): "), "{told}");
    let many = "x\n".repeat(100);
    let told = place.run_with("users import -", &format!("{{}}\n{many}")).assert(6).stderr;
    assert!(told.contains("and 81 more: --errors FILE"), "{told}");
}

#[test]
fn an_import_that_cannot_begin_makes_and_overwrites_nothing() {
    let place = Place::new();
    place.run("users import absent").assert(1);
    std::fs::write(place.path().join("users.jsonl"), lines(&[("a", "!")])).unwrap();
    place.run("users import users.jsonl --dry-run").assert(1);
    assert!(!place.path().join("chancery.db").exists());
    let place = Place::with_database();
    std::fs::write(place.path().join("users.jsonl"), lines(&[("a", "!")])).unwrap();
    place.run("users import users.jsonl --errors ./users.jsonl").assert(2);
    place.run("users import users.jsonl --errors absent/faults").assert(1);
    std::fs::write(place.path().join("names.txt"), "alice\nbob\n").unwrap();
    let told = place.run("users import names.txt").assert(2).stderr;
    assert!(told.contains("CSV header of id,username"), "{told}");
    place.run("users import .").assert(1);
    place.run("users import").assert(2);
    assert_eq!(counts(&place.run("users import users.jsonl --json").assert(0).stdout), [1, 0, 0]);
    assert_eq!(counts(&place.run("users import /dev/null --json").assert(0).stdout), [0, 0, 0]);
}

#[test]
fn an_export_is_imported_elsewhere_as_it_was() {
    let place = Place::with_database();
    let create = ["users", "create", "Zoë", "--email", "a,\"b@c", "--scope", "read", "--password-stdin"];
    place
        .run_arguments(&[&create[..], &["--claims", r#"{"role":"x","n":[1]}"#]].concat(), PASSWORD)
        .assert(0);
    place.run_arguments(&["users", "create", "none", "--scope", "", "--password-stdin"], PASSWORD).assert(0);
    place.run("users disable none").assert(0);
    let many: Vec<_> = (0..1100).map(|number| format!("user{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), HASHES[1].1)).collect();
    place.run_with("users import -", &lines(&many)).assert(0);
    let all = place.run("users list --json").json();
    for format in ["jsonl", "csv"] {
        let exported = place.run(&format!("users export --with-hashes --format {format}")).assert(0);
        assert!(exported.stderr.contains("1102 user(s)"), "{}", exported.stderr);
        let other = Place::with_database();
        let imported = other.run_with("users import - --json", &exported.stdout).assert(0);
        assert_eq!(counts(&imported.stdout), [1102, 0, 0]);
        assert_eq!(other.run("users list --json").json(), all);
        let back = other.run(&format!("users export --with-hashes --format {format}")).assert(0);
        assert_eq!(back.stdout, exported.stdout);
    }
}

#[test]
fn an_export_keeps_the_hashes_to_itself_unless_it_is_told_otherwise() {
    let place = Place::with_database();
    place.run_with("users import -", &lines(&HASHES[..2])).assert(0);
    for format in ["jsonl", "csv"] {
        let exported = place.run(&format!("users export --format {format}")).assert(0).stdout;
        assert!(exported.contains("bcrypt") && !exported.contains('$') && !exported.contains("hash"));
        let told = place.run_with("users import -", &exported).assert(6).stderr;
        assert!(told.contains("no password_hash"), "{told}");
        place.run(&format!("users export --with-hashes --format {format} --output {format}")).assert(0);
        let file = place.path().join(format);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&file).unwrap().contains("$2b$04$"));
        place.run(&format!("users export --output {format}")).assert(4);
    }
    place.run("users export --output absent/x").assert(1);
    place.run("users export --format xml").assert(2);
}

#[test]
fn an_export_of_nobody_can_be_imported() {
    let place = Place::with_database();
    place.run("migrate").assert(0);
    assert_eq!(place.run("users export").assert(0).stdout, "");
    let csv = place.run("users export --format csv --with-hashes").assert(0).stdout;
    assert!(csv.starts_with("id,username,email,password_hash,") && csv.lines().count() == 1, "{csv}");
    assert_eq!(counts(&place.run_with("users import - --json", &csv).assert(0).stdout), [0, 0, 0]);
}

#[test]
fn two_imports_at_once_make_each_user_once() {
    let place = Place::with_database();
    place.run("migrate").assert(0);
    let names: Vec<_> = (0..3000).map(|number| format!("user{number}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), HASHES[0].1)).collect();
    let text = lines(&users);
    let run = || counts(&place.run_with("users import - --json", &text).assert(0).stdout);
    let all = std::thread::scope(|scope| {
        let imports = [scope.spawn(run), scope.spawn(run), scope.spawn(run)];
        imports.map(|import| import.join().unwrap())
    });
    let sums = [0, 1, 2].map(|which| all.iter().map(|counts| counts[which]).sum::<u64>());
    assert_eq!(sums, [3000, 6000, 0], "{all:?}");
}

#[test]
fn an_import_that_is_killed_leaves_whole_batches_and_is_run_again() {
    let place = Place::with_database();
    let names: Vec<_> = (0..20_000).map(|number| format!("user{number}")).collect();
    let users: Vec<_> = names.iter().map(|name| (name.as_str(), HASHES[0].1)).collect();
    std::fs::write(place.path().join("users.jsonl"), lines(&users)).unwrap();
    place.kill("users import users.jsonl", || {
        let listed = place.run("users export").stdout.lines().count();
        listed > 0
    });
    let stored = place.run("users export").assert(0).stdout.lines().count();
    assert!(stored > 0 && stored.is_multiple_of(500), "{stored}");
    let stored = u64::try_from(stored).unwrap();
    let again = place.run("users import users.jsonl --json").assert(0);
    assert_eq!(counts(&again.stdout), [20_000 - stored, stored, 0]);
}
