//! Whatever a file holds is read or refused line by line, and what is written is read as it was.

use std::io::{BufRead, BufReader};

use proptest::prelude::*;
use uuid::Uuid;

use super::export::{Export, Format};
use super::reader::{Reader, Unreadable};
use super::record::Candidate;
use crate::accounts::hashes::Limits;
use crate::clock::Timestamp;
use crate::store::users::UserRow;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const LIMITS: Limits = Limits { argon2_kib: 1024, argon2_work: 1024 };
const HASH: &str = "$2b$04$3DfMSbGj3u7qNUHLYganZ.qB.jPiIJ8aSQXuE0jBCcLGROGwmbyRm";

/// Each line's number with the user or the problem.
fn read(source: impl BufRead) -> Vec<(u64, Result<UserRow, String>)> {
    let mut reader = Reader::open(source).map_err(|error| error.to_string()).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.entry().unwrap() {
        let read = entry.fields.and_then(|fields| fields.read(&LIMITS, NOW));
        found.push((entry.line, read.map(|Candidate { row, .. }| row)));
    }
    found
}

fn problem_of(line: &str) -> String {
    let [(1, Err(problem))] = &read(line.as_bytes())[..] else { panic!("{line} was accepted") };
    problem.clone()
}

fn row_of(text: &str) -> UserRow {
    read(text.as_bytes()).remove(0).1.unwrap()
}

#[test]
fn a_line_needs_a_name_and_a_hash_and_may_say_more() {
    let row = row_of(&format!(r#"{{"username":"Alice","password_hash":"{HASH}"}}"#));
    assert_eq!((row.username.as_str(), row.username_key.as_str()), ("Alice", "alice"));
    assert_eq!((row.email, row.scopes, row.claims.as_str(), row.disabled), (None, None, "{}", false));
    assert_eq!((row.created_at, row.last_login_at), (NOW.as_unix(), None));
    let json = format!(
        r#"{{"id":"018F0000-0000-7000-8000-00000000000A","username":"a","password_hash":"{HASH}","scopes":["read","write"],
        "claims":{{"role":"x"}},"disabled":true,"created_at":"2020-01-02 03:04:05.678+00","email":"a@b","last_login_at":5}}"#
    );
    let csv = format!(
        "\u{feff}ID,username,password_hash,scopes,claims,disabled,created_at,email,last_login_at\r\n\
         018f0000-0000-7000-8000-00000000000a,a,{HASH},read write,\"{{\"\"role\"\":\"\"x\"\"}}\",t,1577934245,a@b,5\r\n"
    );
    for text in [json.replace('\n', ""), csv] {
        let row = row_of(&text);
        assert_eq!(row.id, "018f0000-0000-7000-8000-00000000000a");
        assert_eq!((row.scopes.as_deref(), row.claims.as_str()), (Some("read write"), r#"{"role":"x"}"#));
        assert_eq!((row.disabled, row.created_at, row.last_login_at), (true, 1_577_934_245, Some(5)));
        assert_eq!(row.email.as_deref(), Some("a@b"));
    }
}

#[test]
fn a_fault_is_told_without_what_stood_there() {
    let secret = "hunter2";
    for (members, part) in [
        (format!(r#""username":"a b{secret}","password_hash":"!""#), "username has"),
        (r#""username":"018f0000-0000-7000-8000-00000000000a","password_hash":"!""#.to_owned(), "UUID"),
        (r#""password_hash":"!""#.to_owned(), "no username"),
        (r#""username":"a""#.to_owned(), "no password_hash"),
        (r#""username":"a","password_hash":null"#.to_owned(), "no password_hash"),
        (format!(r#""username":"a","password_hash":"{secret}""#), "kind"),
        (format!(r#""username":"a","password_hash":"!{secret}\u0000""#), "ASCII"),
        (r#""username":"a","password_hash":["hunter2"]"#.to_owned(), "must be a text"),
        (r#""username":7,"password_hash":"!""#.to_owned(), "must be a text"),
        (format!(r#""username":"a","password_hash":"!","id":"{secret}""#), "UUID"),
        (format!(r#""username":"a","password_hash":"!","email":"{secret}\u0007""#), "control"),
        (format!(r#""username":"a","password_hash":"!","disabled":"{secret}""#), "true or false"),
        (format!(r#""username":"a","password_hash":"!","created_at":"{secret}""#), "a time such as"),
        (r#""username":"a","password_hash":"!","created_at":-1"#.to_owned(), "a time such as"),
        (r#""username":"a","password_hash":"!","scopes":7"#.to_owned(), "scopes must be"),
        (r#""username":"a","password_hash":"!","claims":{"sub":1}"#.to_owned(), "issuer"),
        (format!(r#""username":"a","password_hash":"!","claims":"{secret}""#), "JSON object"),
        (r#""username":"a","password_hash":"!","username":"b""#.to_owned(), "duplicate"),
        (r#""username":"a","password_hash":"!","name":"b""#.to_owned(), "unknown field `name`"),
        (format!(r#""username":"a","password_hash":"{secret}"#), "column"),
    ] {
        let told = problem_of(&format!("{{{members}}}"));
        assert!(told.contains(part) && !told.contains(secret), "{members}: {told}");
    }
}

#[test]
fn one_bad_line_leaves_the_others_whole() {
    let good = format!("a,{HASH}");
    let long = "x".repeat(70_000);
    let mut text =
        format!("username,password_hash\r\n{good}\n\"b,{HASH}\nonly\n{long}\n\n   \n").into_bytes();
    text.extend(b"\xff\xfe,x\n");
    text.extend(format!("c,{HASH},more\nd,{HASH}").bytes());
    for capacity in [1, 7, 8192] {
        let found = read(BufReader::with_capacity(capacity, &text[..]));
        let told: Vec<_> = found
            .iter()
            .map(|(line, read)| (*line, read.as_ref().map_or_else(String::as_str, |row| &row.username)))
            .collect();
        assert_eq!(
            told,
            [
                (2, "a"),
                (3, "a quote is not closed on this line"),
                (4, "the line has 1 fields, and the header 2"),
                (5, "the line is longer than 65536 bytes"),
                (8, "the line is not UTF-8"),
                (9, "the line has 3 fields, and the header 2"),
                (10, "d"),
            ]
        );
    }
}

#[test]
fn a_file_that_is_neither_json_nor_csv_is_refused_at_once() {
    for (text, part) in [
        ("alice;hash\n", "unknown field"),
        ("username,username\n", "duplicate"),
        ("username,password\n", "unknown field `password`"),
        ("\u{1}", "unknown field"),
    ] {
        let Err(Unreadable::Format(told)) = Reader::open(text.as_bytes()) else {
            panic!("{text} was accepted")
        };
        assert!(told.contains(part) && told.contains("username,email"), "{told}");
    }
    assert!(matches!(Reader::open(&b"\xff\xfeu\0"[..]), Err(Unreadable::Format(_))));
    for empty in ["", "\n\n"] {
        assert!(read(empty.as_bytes()).is_empty());
    }
    assert!(read(&b"\n\nusername,password_hash\n"[..]).is_empty());
}

prop_compose! {
    fn a_user()(
        name in "[a-z0-9.@=+\"',-]{1,20}|[a-zäöü]{1,20}",
        id in any::<u128>(),
        email in proptest::option::of("[^\\pC]{1,30}"),
        scopes in proptest::option::of("([a-z:]{1,5} ){0,3}"),
        claims in proptest::collection::hash_map("[x-z\"\\\\,]{1,4}", ".{0,10}", 0..3),
        disabled in any::<bool>(),
        created_at in 0..=253_402_300_799_i64,
        last_login_at in proptest::option::of(0..=253_402_300_799_i64),
    ) -> Shown {
        Shown(UserRow {
            id: Uuid::from_u128(id).to_string(),
            username_key: crate::accounts::username::canonical(&name).unwrap(),
            username: name,
            email,
            password_hash: HASH.to_owned(),
            scopes: scopes.map(|scopes| scopes.trim().to_owned()).map(unique),
            claims: serde_json::to_string(&serde_json::to_value(claims).unwrap()).unwrap(),
            disabled,
            created_at,
            updated_at: NOW.as_unix(),
            last_login_at,
        })
    }
}

/// Rows hold secrets, but not these.
struct Shown(UserRow);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        all(&self.0).fmt(f)
    }
}

fn unique(scopes: String) -> String {
    crate::accounts::Scopes::parse(&scopes).unwrap().to_string()
}

fn all(row: &UserRow) -> impl PartialEq + std::fmt::Debug + use<> {
    let UserRow { id, username, username_key, email, password_hash, .. } = row.clone();
    let UserRow { scopes, claims, disabled, created_at, updated_at, last_login_at, .. } = row.clone();
    let texts = (id, username, username_key, email, password_hash, scopes, claims);
    (texts, (disabled, created_at, updated_at, last_login_at))
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_as_it_was(
        rows in proptest::collection::vec(a_user(), 1..5), is_json in any::<bool>(),
    ) {
        let rows: Vec<_> = rows.into_iter().map(|Shown(row)| row).collect();
        let format = if is_json { Format::Jsonl } else { Format::Csv };
        let text = Export::new(format, true).write(&rows, true).unwrap();
        let found = read(&text[..]);
        prop_assert_eq!(found.len(), rows.len());
        for ((_, found), row) in found.iter().zip(&rows) {
            prop_assert_eq!(all(found.as_ref().unwrap()), all(row));
        }
    }

    #[test]
    fn any_bytes_are_read_to_their_end(
        head in prop_oneof![Just(""), Just("{"), Just("username,password_hash\n")],
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'"'), Just(b',')], 0..300),
    ) {
        let text = [head.as_bytes(), &bytes].concat();
        if let Ok(mut reader) = Reader::open(&text[..]) {
            while reader.entry().unwrap().is_some() {}
            prop_assert_eq!(reader.bytes(), text.len() as u64);
        }
    }
}
