//! What the documentation, the deployments and the examples set must be there to be set.

#![allow(clippy::unwrap_used, clippy::panic)] // a test stops at the first surprise

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chancery::config::{Settings, Sources, variable_of};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Secrets can stand in files of their own.
const FILES: [&str; 3] = ["database.url", "redis.url", "redis.sentinel_password"];

fn known() -> BTreeSet<String> {
    let (_, effective) = Settings::load_with_origins(&Sources::default()).unwrap();
    let keys = effective.iter().map(|one| variable_of(&one.key));
    keys.chain(FILES.iter().map(|key| format!("{}_FILE", variable_of(key)))).collect()
}

fn texts(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("node_modules")).flat_map(|path| texts(&path)).collect()
}

/// `CHANCERY__SECTION__KEY` wherever it stands in a text.
fn named(text: &str) -> impl Iterator<Item = String> {
    text.match_indices("CHANCERY__").map(|(start, _)| {
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        text[start..].chars().take_while(|c| is_part(*c)).collect()
    })
}

#[test]
fn every_variable_that_is_shown_is_a_setting() {
    let known = known();
    let mut shown = 0;
    for path in ["README.md", "Dockerfile", "docs", "deploy", "examples"] {
        for file in texts(&Path::new(ROOT).join(path)) {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            for variable in named(&text) {
                let is_form = variable == "CHANCERY__SECTION__KEY" || variable == "CHANCERY__";
                assert!(is_form || known.contains(&variable), "{}: {variable}", file.display());
                shown += 1;
            }
        }
    }
    assert!(shown > 20, "only {shown} variables were found: does this test still read them?");
}

#[test]
fn the_settings_file_of_the_kubernetes_example_is_whole_and_right() {
    let manifest = fs::read_to_string(format!("{ROOT}/deploy/kubernetes/chancery.yaml")).unwrap();
    let (_, block) = manifest.split_once("chancery.toml: |\n").unwrap();
    let lines = block.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    let toml = lines.map(|line| line.trim_start_matches("    ")).collect::<Vec<_>>().join("\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chancery.toml");
    fs::write(&file, toml).unwrap();
    let settings = Settings::load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    assert_eq!(settings.issuer.url.as_deref(), Some("https://auth.example.com"));
}
