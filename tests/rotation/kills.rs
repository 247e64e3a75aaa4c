//! `kill -9` before every single step of whatever changes the key ring: each write, sync, truncation, creation and
//! removal of a file. Afterwards all of the change is there or nothing of it, and everything that was issued is good.

use std::collections::BTreeMap;

use crate::client::{self, Jwks, log_in};
use crate::effect::{Also, Effect};
use crate::installation::{Installation, list, write_pem};
use crate::process::Home;
use crate::process::http::Connection;
use crate::process::stored::{Stored, damage};
use crate::shim::Shim;

/// What has more steps than this does something else.
const MOST_STEPS: usize = 500;
/// With fewer the shim does not see what it should.
const FEWEST_KILLS: usize = 20;
/// Before some of these at the least.
const MUST_SEE: [&str; 3] =
    ["pwrite64 of chancery.db-wal", "fsync of chancery.db-wal", "pwrite64 of chancery.db"];

/// Kills at every step of what `run` does on a copy of an installation, until that runs through. `run` tells before
/// which call it was killed, `judge` whether the change is there; its error is what is wrong.
fn kill_at_every_step(
    original: &Home,
    run: impl Fn(&Shim, &Home, usize) -> Option<String>,
    judge: impl Fn(&Home, &Stored) -> Result<bool, String>,
) {
    let (shim, mut kills, mut outcomes) = (Shim::build(), BTreeMap::new(), [0; 2]);
    for step in 1..=MOST_STEPS {
        let home = original.copy();
        let killed = run(&shim, &home, step);
        // A copy is read, so that a server is the first that opens what the kill left.
        let stored = Stored::read(&home.copy());
        let whole =
            judge(&home, &stored).unwrap_or_else(|problem| panic!("step {step}, {killed:?}: {problem}"));
        let Some(call) = killed else {
            assert!(whole, "it ran through and did nothing");
            return tell(&kills, outcomes);
        };
        outcomes[usize::from(whole)] += 1;
        *kills.entry(call).or_insert(0) += 1;
    }
    panic!("it does not run through");
}

fn tell(kills: &BTreeMap<String, usize>, [nothing, whole]: [usize; 2]) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    eprintln!("{name}: {nothing} kills before the change, {whole} after it: {kills:?}");
    assert!(nothing + whole >= FEWEST_KILLS && nothing > 0 && whole > 0);
    assert!(MUST_SEE.iter().all(|call| kills.contains_key(*call)));
}

/// Kills a command at every step, and compares what is left with the whole of its effect and with what was promised.
fn kill_command(installation: &Installation, effect: Effect, arguments: &[&str]) {
    kill_at_every_step(
        &installation.home,
        |shim, home, step| shim.run(home, arguments, step),
        |home, stored| judge(installation, effect, home, stored),
    );
}

fn judge(installation: &Installation, effect: Effect, home: &Home, stored: &Stored) -> Result<bool, String> {
    let whole = effect.happened(&installation.stored, stored)?;
    installation.check(home, stored)?;
    Ok(whole)
}

#[test]
fn a_forced_rotation_happens_wholly_or_not_at_all() {
    kill_command(&Installation::new(), Effect::ROTATION, &["keys", "rotate", "--force"]);
}

#[test]
fn a_scheduled_rotation_happens_wholly_or_not_at_all() {
    let installation = Installation::new();
    let is_due = || installation.home.run(&["keys", "rotate", "--dry-run"]).status.success();
    assert!((0..1000).any(|_| is_due()));
    // Another turn may come before it ends.
    let effect = Effect { at_most: 2, ..Effect::ROTATION };
    let schedule = [("CHANCERY__KEYS__ROTATION_INTERVAL", "1s")];
    kill_at_every_step(
        &installation.home,
        |shim, home, step| shim.serve(home, &schedule, "keys_rotated", step),
        |home, stored| judge(&installation, effect, home, stored),
    );
}

#[test]
fn a_revocation_happens_wholly_or_not_at_all() {
    let installation = Installation::new();
    let active = &installation.stored.in_state("active").kid;
    kill_command(&installation, Effect::REVOCATION, &["keys", "revoke", active]);
}

#[test]
fn a_revocation_closes_every_session_or_none() {
    let installation = Installation::new();
    let active = &installation.stored.in_state("active").kid;
    let effect = Effect { also: Also::ClosesSessions, ..Effect::REVOCATION };
    kill_command(&installation, effect, &["keys", "revoke", active, "--close-sessions"]);
}

#[test]
fn an_import_happens_wholly_or_not_at_all() {
    let installation = Installation::new();
    write_pem(&installation.home, "own.pem");
    kill_command(&installation, Effect::IMPORT, &["keys", "import", "own.pem"]);
}

#[test]
fn a_purge_happens_wholly_or_not_at_all() {
    let effect = Effect { also: Also::Forgets, ..Effect::NONE };
    kill_command(&Installation::new(), effect, &["keys", "purge"]);
}

#[test]
fn a_resealing_leaves_everything_under_one_of_the_master_keys() {
    let installation = Installation::new();
    let path = installation.home.master_key();
    let (old, new) = (std::fs::read_to_string(&path).unwrap(), generate_master_key(&installation.home));
    std::fs::write(&path, format!("{new}{old}")).unwrap();
    let effect = Effect { also: Also::Reseals, ..Effect::NONE };
    kill_at_every_step(
        &installation.home,
        |shim, home, step| shim.run(home, &["keys", "reseal"], step),
        |home, stored| {
            let whole = judge(&installation, effect, home, stored)?;
            let (opens, other) = if whole { (&new, &old) } else { (&old, &new) };
            std::fs::write(home.master_key(), opens).unwrap();
            list(home)?;
            std::fs::write(home.master_key(), other).unwrap();
            if list(home).is_ok() { Err("both master keys open it".to_owned()) } else { Ok(whole) }
        },
    );
}

fn generate_master_key(home: &Home) -> String {
    String::from_utf8(home.run(&["keys", "generate-master-key"]).stdout).unwrap()
}

#[test]
fn a_first_start_makes_the_whole_ring_or_none() {
    let home = client::install();
    kill_at_every_step(
        &home,
        |shim, home, step| shim.serve(home, &[], "listening", step),
        |home, stored| {
            let states: Vec<_> = stored.ring.signing.iter().map(|key| key.state.as_str()).collect();
            let whole = match (stored.ring.version, &states[..], stored.ring.mac.len()) {
                (0, [], 0) => false,
                (1, ["active", "next"] | ["next", "active"], 1) => true,
                found => return Err(format!("{found:?}")),
            };
            let server = home.serve();
            let mut connection = Connection::open(server.address).unwrap();
            let login = log_in(&mut connection)?;
            Jwks::fetch(&mut connection).verify(&login.access)?;
            Ok(whole)
        },
    );
}

/// The checks above can fail.
#[test]
fn half_a_change_is_found_out() {
    let installation = Installation::new();
    let half = [
        "UPDATE signing_keys SET state = 'retired', retired_at = 1, sealed_private_jwk = NULL WHERE state = 'active'",
        "UPDATE key_ring SET version = version + 1",
        "UPDATE signing_keys SET promoted_by = 'command' WHERE state = 'active'",
        "UPDATE sessions SET closed_at = 1",
        "DELETE FROM mac_keys",
    ];
    for statement in half {
        let home = installation.home.copy();
        damage(&home, statement);
        let found = Effect::ROTATION.happened(&installation.stored, &Stored::read(&home));
        assert!(found.is_err(), "{statement}: {found:?}");
    }
}

/// So can the client's and the verifier's.
#[test]
fn what_clients_and_verifiers_would_miss_is_found_out() {
    let installation = Installation::new();
    let broken = [
        (
            "DROP INDEX signing_keys_one_next_one_active; \
             UPDATE signing_keys SET state = 'active', activated_at = 1 WHERE state = 'next'",
            "more than one active key",
        ),
        ("DELETE FROM signing_keys WHERE state = 'next'", "no next key"),
        ("DELETE FROM signing_keys WHERE state = 'active'", "no active key"),
        (
            "DELETE FROM signing_keys WHERE activated_at IS NOT NULL AND state = 'retired'",
            "is not in the JWKS",
        ),
        ("DELETE FROM mac_keys", "no key for refresh tokens"),
        ("UPDATE sessions SET closed_at = 1", "should say true"),
        ("UPDATE sessions SET generation = 1", "a refresh token"),
    ];
    assert_eq!(installation.check(&installation.home.copy(), &installation.stored), Ok(()));
    for (statement, expected) in broken {
        let home = installation.home.copy();
        damage(&home, statement);
        let found = installation.check(&home, &installation.stored).unwrap_err();
        assert!(found.contains(expected), "{statement}: {found}");
    }
}
