//! The arrows of the layout point down: `cli → http → app → oauth → tokens → keys | accounts → store`, and `config`
//! and `clock` are leaves. Read from the `crate::` paths of the sources.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first surprise

use std::fs;
use std::path::{Path, PathBuf};

/// Each module with its height. An arrow may point to a lower one, or within one module.
const HEIGHTS: [(&str, u32); 11] = [
    ("cli", 8),
    ("http", 7),
    ("app", 6),
    ("oauth", 5),
    ("tokens", 4),
    ("keys", 3),
    ("accounts", 3),
    ("store", 2),
    ("telemetry", 1),
    ("config", 0),
    ("clock", 0),
];

/// Crates that only some modules may use.
const RESERVED: [(&str, &[&str]); 19] = [
    ("actix_web", &["http"]),
    ("actix_cors", &["http"]),
    ("diesel", &["store"]),
    ("diesel_migrations", &["store"]),
    ("r2d2", &["store"]),
    ("deadpool_redis", &["store"]),
    ("josekit", &["keys", "tokens"]),
    ("rsa", &["keys"]),
    ("openssl", &["keys", "accounts"]),
    ("argon2", &["accounts"]),
    ("bcrypt", &["accounts"]),
    ("sha_crypt", &["accounts"]),
    ("zxcvbn", &["accounts"]),
    ("totp_rs", &["accounts"]),
    ("qrcode", &["accounts"]),
    ("csv", &["accounts"]),
    ("indicatif", &["cli"]),
    ("pkcs8", &["keys"]),
    ("prometheus_client", &["accounts", "app", "http", "keys", "store", "telemetry"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn height(module: &str) -> u32 {
    let found = HEIGHTS.iter().find(|(name, _)| *name == module);
    found.unwrap_or_else(|| panic!("the module {module} has no height here")).1
}

/// The modules that a source names after `crate::`, also in lists: `use crate::{http, telemetry};`.
fn named_modules(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for part in text.split("crate::").skip(1) {
        let list = part.strip_prefix('{').map_or(part, |rest| rest.split('}').next().unwrap());
        let many = part.starts_with('{');
        for item in list.split(',').take(if many { usize::MAX } else { 1 }) {
            let name: String =
                item.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !name.is_empty() {
                named.push(name);
            }
        }
    }
    named
}

#[test]
fn every_arrow_points_down() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut arrows = 0;
    for path in sources(root) {
        let module = module_of(&path);
        if module == "main" || module == "lib" {
            continue;
        }
        for target in named_modules(&fs::read_to_string(&path).unwrap()) {
            if HEIGHTS.iter().any(|(name, _)| *name == target) && target != module {
                arrows += 1;
                let down = height(&target) < height(&module);
                assert!(down, "{} points up to {target}", path.display());
            }
        }
    }
    assert!(arrows > 50, "only {arrows} arrows were found: does this test still read them?");
}

#[test]
fn a_crate_stays_in_its_layer() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    for path in sources(root) {
        let (module, text) = (module_of(&path), fs::read_to_string(&path).unwrap());
        for (name, layers) in RESERVED {
            let uses = text.contains(&format!("{name}::"));
            assert!(!uses || layers.contains(&module.as_str()), "{} uses {name}", path.display());
        }
    }
}

#[test]
fn an_upward_arrow_would_be_found() {
    assert_eq!(named_modules("use crate::{http, telemetry};"), ["http", "telemetry"]);
    assert_eq!(named_modules("fn f(x: crate::cli::Cli)"), ["cli"]);
    assert!(height("http") > height("store"));
}
