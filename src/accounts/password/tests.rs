//! Hashing, verifying, and the queue.

use super::*;

/// bcrypt of "e\u{301}clair", which is not in NFC.
const DECOMPOSED: &str = "$2b$04$qh77Sa4tha00MU6iTVdCHOZHgeg5wU2YbC86xJltYjUJlWM97aZlq";

fn settings(memory_kib: u32, queue: u32) -> PasswordSettings {
    PasswordSettings { memory_kib, iterations: 1, parallelism: 1, max_concurrent: 1, queue }
}

async fn verify_now(hasher: &Hasher, text: &str, stored: Option<String>) -> Verdict {
    hasher.verify(hasher.reserve().unwrap(), password(text), stored, Attempt::default()).await.unwrap().0
}

fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

#[actix_rt::test]
async fn a_password_matches_its_hash_and_no_other() {
    let hasher = Hasher::start(&settings(8, 4)).unwrap();
    let stored = hasher.hash(password("e\u{301}clair")).await.unwrap();
    let verdict = verify_now(&hasher, "éclair", Some(stored.clone())).await;
    assert_eq!(verdict, Verdict::Matches { upgrade: None });
    assert_eq!(verify_now(&hasher, "eclair", Some(stored)).await, Verdict::Differs);
    assert_eq!(verify_now(&hasher, "nobody's password", None).await, Verdict::Differs);
}

#[actix_rt::test]
async fn an_old_hash_is_upgraded() {
    let old = Hasher::start(&settings(8, 4)).unwrap().hash(password("x")).await.unwrap();
    let hasher = Hasher::start(&settings(16, 4)).unwrap();
    let Verdict::Matches { upgrade: Some(new) } = verify_now(&hasher, "x", Some(old)).await else {
        panic!("not upgraded")
    };
    assert!(new.contains("m=16,t=1,p=1"), "{new}");
    let again = verify_now(&hasher, "x", Some(new)).await;
    assert_eq!(again, Verdict::Matches { upgrade: None });
}

#[actix_rt::test]
async fn a_hash_of_another_system_is_upgraded_whichever_form_of_the_password_it_is_of() {
    let hasher = Hasher::start(&settings(8, 4)).unwrap();
    for stored in [DECOMPOSED, "$2b$04$oqe9lj86GATUMyVpCpFCJ.1D7z15dLH/wbiquCWtWe05C.XqpP89G"] {
        let verdict = verify_now(&hasher, "e\u{301}clair", Some(stored.to_owned())).await;
        let Verdict::Matches { upgrade: Some(new) } = verdict else { panic!("not upgraded") };
        assert!(new.starts_with("$argon2id$"), "{new}");
        for typed in ["e\u{301}clair", "éclair"] {
            let again = verify_now(&hasher, typed, Some(new.clone())).await;
            assert_eq!(again, Verdict::Matches { upgrade: None });
        }
        assert_eq!(verify_now(&hasher, "eclair", Some(stored.to_owned())).await, Verdict::Differs);
    }
    assert_eq!(verify_now(&hasher, "éclair", Some(DECOMPOSED.to_owned())).await, Verdict::Differs);
    assert_eq!(verify_now(&hasher, "éclair", Some("!".to_owned())).await, Verdict::Differs);
}

#[actix_rt::test]
async fn a_stored_hash_that_would_take_too_much_is_an_error_and_not_computed() {
    let hasher = Hasher::start(&settings(8, 4)).unwrap();
    for costs in ["m=4194304,t=1,p=1", "m=1048576,t=3,p=1"] {
        let stored = format!("$argon2id$v=19${costs}$c29tZXNhbHQ${}", "A".repeat(43));
        let verdict =
            hasher.verify(hasher.reserve().unwrap(), password("x"), Some(stored), Attempt::default()).await;
        let Err(HashError::Failed(told)) = verdict else { panic!("{costs} was computed") };
        assert!(told.contains("costs too much") && !told.contains('$'), "{told}");
    }
}

#[actix_rt::test]
async fn without_a_place_a_hash_is_refused_at_once_and_its_end_makes_room() {
    let hasher = Hasher::start(&settings(8, 1)).unwrap();
    let places = [hasher.reserve().unwrap(), hasher.reserve().unwrap()];
    assert!(matches!(hasher.hash(password("refused")).await, Err(HashError::Busy)));
    assert_eq!(hasher.load(), (0, 1));
    for place in places {
        let _ = hasher.verify(place, password("waits"), None, Attempt::default()).await.unwrap();
    }
    assert!(hasher.hash(password("welcome")).await.is_ok());
}

#[actix_rt::test]
async fn a_hash_that_nobody_waits_for_keeps_its_place_until_it_is_done() {
    let hasher = Hasher::start(&settings(8, 1)).unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel();
    let place = hasher.reserve().unwrap();
    let block: Job = Box::new(move |_| {
        started.send(()).unwrap();
        held.recv().ok();
        drop(place);
    });
    hasher.queue.send(block).unwrap();
    running.recv().unwrap();
    let hung_up = actix_rt::spawn({
        let hasher = hasher.clone();
        async move { hasher.hash(password("hung up")).await }
    });
    tokio::task::yield_now().await;
    hung_up.abort();
    assert!(hung_up.await.is_err());
    assert!(matches!(hasher.reserve(), Err(HashError::Busy)));
    drop(hold);
    while hasher.load().0 < 2 {
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn a_job_that_panics_fails_and_the_thread_goes_on() {
    let hasher = Hasher::start(&settings(8, 1)).unwrap();
    let judge = |_: &Password| -> Result<(), ()> { panic!("a library's fault") };
    for _ in 0..3 {
        let failed = hasher.hash_if(password("x"), judge).await;
        assert!(matches!(failed, Err(HashError::Failed(_))));
    }
    assert!(hasher.hash(password("welcome")).await.is_ok());
    while hasher.load().0 < 2 {
        tokio::task::yield_now().await; // no place is lost
    }
}

#[test]
fn an_overlong_password_is_refused_before_hashing() {
    assert!(Password::parse(&"x".repeat(1025)).is_err());
    assert!(Password::parse("").is_err());
}
