//! Hashes that passlib 1.7.4 and Django 5.2 made, and what is none. tests/interop has them make new ones.

use super::*;

const PASSWORD: &str = "correct hörse";
/// Its 72nd byte is in the middle of a letter.
const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaü";

const LIMITS: Limits = Limits { argon2_kib: 128 * 1024, argon2_work: 512 * 1024 };

const HASHES: [&str; 20] = [
    "$argon2id$v=19$m=64,t=1,p=2$TMn5/x9jTOn9vxdijPF+rw$7iGkETV43CdbLlp6HL4zIhuZxqiEOdGRd86upmGBCsk",
    "$argon2i$v=19$m=64,t=2,p=1$1ZpTKmWMUerd+/8/59y7Fw$KzvP8UZ/z0Yoe8pKPyl+mM6hqQt49lFc1dOvsM3ivfQ",
    "argon2$argon2id$v=19$m=64,t=2,p=8$TEl1U2lPcEc3MW9UdU1tNVcxUVAwTg$GICptJS53uR+bTumUHNUMo2ibYfkAPLQPiUWrWiC8go",
    "$2a$04$mwPD8ErKJf0KmIw9wkFzC.9tdkyqVlgtvjKUqwu7GmwRN9AT2zwqu",
    "$2b$04$3DfMSbGj3u7qNUHLYganZ.qB.jPiIJ8aSQXuE0jBCcLGROGwmbyRm",
    "$2y$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W",
    "$2a$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W", // as good under another of its names
    "bcrypt$$2b$04$k2alXd53oAM9ARhbmuGUkuJ1pT2NVz6Q0oub0HNewIUYdzsVqn7XW",
    "bcrypt_sha256$$2b$04$x.9CEPNLb0VSueXDc39uB.2bm8vpeoCiBgYcge43ZVbM.5/qjAqJS",
    "$pbkdf2$20$4jwnpPTeG6MUotT6v5dSqg$b61pHpG2o1Ro0JhHGnM214MkClk",
    "$pbkdf2-sha256$20$IwSAEKLUGqPUeo9Rak2JcQ$8ArNdxdLpLpeYEIOE6jW4CmgfmjyLvh5GBYgkitK8cU",
    "$pbkdf2-sha512$20$xLi3tpYSgjCG0BoDgDCmtA$oC05cyKA/3IMH1RuTnNP4MSXVaNr2ZAdBO6Sg84os90ha0kQwNL6yfwKqG25rS48B3sXlwaPJwrUn0R.FKs1pw",
    "pbkdf2_sha256$20$saltsaltsaltsaltsalt22$4mH+xxHHWysBlf5k/W/G5erI/gtr6YpS7+3K9a90pPo=",
    "pbkdf2_sha1$20$saltsaltsaltsaltsalt22$KJQMw+uPOUlEhaEYHO+hky1BM8k=",
    "$scrypt$ln=4,r=8,p=2$5LyXsvbem5PyHmNMqTVGaA$bnod/PT4upGiaKFJHsRrVfm4saQnxtG4RlSKCYnsltk",
    "scrypt$16$saltsaltsaltsaltsalt22$8$5$gwbBk6KrVwOtJgA8IkL3jDegDml4wB3TUeE70n8QqajmNlc68SUiHyqDCsdhCIay6CAWDLUueCEA1ziD4as+oA==",
    "$5$rounds=1000$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
    "$5$NyHVOrFdUzLnzn.8$OqkgbQO.H0JUwVRYJ1srVIL2j6rTJSxajh7hWp6dr40",
    "$5$rounds=5000$NyHVOrFdUzLnzn.8$OqkgbQO.H0JUwVRYJ1srVIL2j6rTJSxajh7hWp6dr40",
    "$6$rounds=1000$yhSsX6j5I7mxErj0$ZTJXO/fRKTJYORvjs02Kd8d1ZeaWBXHyao5NBurqKwhSG4jkeiY.8KbIQdOMDoLyxrzHMX6MiY/gJ8NvB0G1F0",
];

fn parse(text: &str) -> StoredHash {
    StoredHash::parse(text, &LIMITS).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

fn refused(text: &str) -> String {
    StoredHash::parse(text, &LIMITS).err().unwrap_or_else(|| panic!("{text} was accepted"))
}

fn matches(text: &str, password: &str) -> bool {
    parse(text).matches(password.as_bytes()).unwrap()
}

#[test]
fn a_password_matches_what_passlib_and_django_made_of_it_and_no_other_does() {
    for text in HASHES {
        assert!(matches(text, PASSWORD), "{text}");
        for wrong in ["correct horse", "Correct hörse", "correct hörse ", ""] {
            assert!(!matches(text, wrong), "{text} {wrong}");
        }
    }
}

#[test]
fn bcrypt_reads_72_bytes_of_a_password_and_djangos_sha256_all_of_it() {
    let cut = "$2b$04$fWxRw1JdaGyLdEzBra/58uS77BV58hSzbVSXiVSoN0eKxR5yrHtZi";
    let whole = "bcrypt_sha256$$2b$04$ne6QerynRigIea4pJ70zS.Ufu713mrJ/Fzdzn9knjfnKZYw57rDoa";
    for end in ["", "tail that bcrypt never sees", "another tail"] {
        assert!(matches(cut, &format!("{LONG}{end}")), "{end}");
        assert_eq!(matches(whole, &format!("{LONG}{end}")), end.starts_with("tail"), "{end}");
    }
    assert!(!matches(cut, &LONG[..70]));
}

#[test]
fn a_nul_ends_no_password() {
    for text in HASHES {
        assert!(!matches(text, &format!("{PASSWORD}\0{PASSWORD}")) && !matches(text, "\0"), "{text}");
    }
}

#[test]
fn bits_that_mean_nothing_may_be_set_in_a_bcrypt_hash() {
    // "e" and "f" end the same 16 bytes of salt; "W" and "X" the same 23 of digest.
    let text = "$2y$04$UA/JjNDJbTE2afUTz7cD0f07lLIK3mLpmyedUkIdF566H9IFS8x1X";
    assert!(matches(text, PASSWORD) && !matches(text, "x"));
}

#[test]
fn a_hash_that_costs_too_much_is_refused() {
    let key = "A".repeat(43);
    let sha512 = "1".repeat(86);
    for costly in [
        format!("$argon2id$v=19$m=131073,t=1,p=1$c29tZXNhbHQ${key}"),
        format!("$argon2id$v=19$m=65536,t=9,p=1$c29tZXNhbHQ${key}"),
        format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1$c29tZXNhbHQ${key}"),
        "$2b$15$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W".to_owned(),
        "bcrypt_sha256$$2b$31$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W".to_owned(),
        format!("$pbkdf2-sha256$2000001$c2FsdA${}", "A".repeat(43)),
        format!("$pbkdf2-sha512$1000001$c2FsdA${}", "A".repeat(86)),
        format!("pbkdf2_sha256$4294967295$salt${}=", "A".repeat(43)),
        format!("$scrypt$ln=18,r=8,p=1$c2FsdA${}", "A".repeat(43)),
        format!("$scrypt$ln=63,r=8,p=1$c2FsdA${}", "A".repeat(43)),
        format!("$scrypt$ln=1,r=65,p=1$c2FsdA${}", "A".repeat(43)),
        format!("$scrypt$ln=1,r=4294967295,p=4294967295$c2FsdA${}", "A".repeat(43)),
        format!("scrypt$16384$salt$8$9${}=", "A".repeat(43)),
        format!("$5$rounds=1000001$salt${key}"),
        format!("$6$rounds=999999999$salt${sha512}"),
    ] {
        assert!(refused(&costly).contains("costs too much"), "{}", refused(&costly));
    }
    // What the frameworks' defaults cost, and a little more, is not too much.
    for usual in [
        format!("argon2$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ${}", "A".repeat(43)),
        format!("$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ${}", "A".repeat(43)),
        format!("pbkdf2_sha256$1500000$salt${}=", "A".repeat(43)),
        format!("$scrypt$ln=16,r=8,p=1$c2FsdA${}", "A".repeat(43)),
        format!("scrypt$16384$salt$8$5${}==", "A".repeat(86)),
        format!("$6$rounds=656000$salt${sha512}"),
    ] {
        parse(&usual);
    }
}

#[test]
fn what_is_no_hash_is_refused_and_not_repeated() {
    for wrong in [
        "",
        "hunter2",
        "5f4dcc3b5aa765d61d8327deb882cf99", // MD5
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$5f4dcc3b5aa765d61d8327",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
        "$2x$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W",
        "$2b$4$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W",
        "$2b$03$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W",
        "$2b$+4$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W",
        "$2b$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1",
        "$2b$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8xé",
        "$2b$04$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x!W",
        "bcrypt$$6$$x",
        "$argon2id$v=19$m=64,t=1,p=1",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAA", // 12 bytes
        "$argon2id$m=64,t=1,p=1$TMn5/x9jTOn9vxdijPF+rw$7iGkETV43CdbLlp6HL4zIhuZxqiEOdGRd86upmGBCsk",
        "$argon2$v=19$m=64,t=1,p=1$TMn5/x9jTOn9vxdijPF+rw$7iGkETV43CdbLlp6HL4zIhuZxqiEOdGRd86upmGBCsk",
        "$argon2id$v=19$m=0,t=0,p=0$TMn5/x9jTOn9vxdijPF+rw$7iGkETV43CdbLlp6HL4zIhuZxqiEOdGRd86upmGBCsk",
        "$pbkdf2-sha256$0$c2FsdA$8ArNdxdLpLpeYEIOE6jW4CmgfmjyLvh5GBYgkitK8cU",
        "$pbkdf2-sha256$20$c2FsdA$8ArN",
        "$pbkdf2-sha256$20$c2FsdA$",
        "$pbkdf2-md5$20$c2FsdA$8ArNdxdLpLpeYEIOE6jW4CmgfmjyLvh5GBYgkitK8cU",
        "$pbkdf2-sha256$20$c2FsdA$8ArNdxdLpLpeYEIOE6jW4CmgfmjyLvh5GBYgkitK8c+",
        "pbkdf2_sha256$20$salt$4mH+xxHHWysBlf5k/W/G5erI/gtr6YpS7+3K9a90pPo",
        "pbkdf2_sha256$-1$salt$4mH+xxHHWysBlf5k/W/G5erI/gtr6YpS7+3K9a90pPo=",
        "$scrypt$ln=4,r=8$c2FsdA$bnod/PT4upGiaKFJHsRrVfm4saQnxtG4RlSKCYnsltk",
        "$scrypt$ln=0,r=8,p=1$c2FsdA$bnod/PT4upGiaKFJHsRrVfm4saQnxtG4RlSKCYnsltk",
        "$scrypt$ln=64,r=8,p=1$c2FsdA$bnod/PT4upGiaKFJHsRrVfm4saQnxtG4RlSKCYnsltk",
        "$scrypt$ln=4,r=0,p=1$c2FsdA$bnod/PT4upGiaKFJHsRrVfm4saQnxtG4RlSKCYnsltk",
        "$scrypt$ln=4,r=8,p=1$c2FsdA$",
        "scrypt$17$salt$8$5$gwbBk6KrVwOtJgA8IkL3jDegDml4wB3TUeE70n8Qqag=",
        "$5$rounds=999$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
        "$5$rounds=x$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
        "$5$h2lCCGiD9a0MwTmH1$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
        "$5$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJ",
        "$5$h2lCCGiD9a0MwTmH$",
        "$5$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJE",
        "$5$$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
        "$6$h2lCCGiD9a0MwTmH$qAS9u5e8iEzYfDZqqO8wFRPONxcJToWXNCGC.z8.ZJB",
    ] {
        let told = refused(wrong);
        assert!(told.contains("malformed") || told == KINDS, "{wrong}: {told}");
    }
    assert!(refused(&"$".repeat(513)).contains("longer"));
}

#[test]
fn an_account_without_a_password_lets_no_password_in() {
    for text in ["!", "*", "!3mnAChWagx70I9KlRBNV5yaNwcUzi7tw45xqcn2a", "!$6$locked"] {
        assert!(!matches(text, "") && !matches(text, PASSWORD) && !matches(text, text), "{text}");
    }
}

#[test]
fn a_password_that_is_too_long_for_a_costly_sha_crypt_matches_nothing() {
    let hash = parse(&format!("$6$rounds=1000000$salt${}", "1".repeat(86)));
    assert!(!hash.matches("x".repeat(87).as_bytes()).unwrap());
}

#[test]
fn the_memory_that_a_login_takes_is_known_before() {
    assert_eq!(parse(HASHES[0]).memory_kib(), 64);
    assert_eq!(parse(&format!("$scrypt$ln=17,r=8,p=1$c2FsdA${}", "A".repeat(43))).memory_kib(), 131_073);
    assert_eq!(parse(HASHES[4]).memory_kib(), 0);
}

proptest::proptest! {
    #[test]
    fn whatever_a_row_holds_nothing_panics_and_nothing_costly_gets_through(
        which in 0..HASHES.len(), at in 0..130_usize, cut in 0..4_usize, filling in "[0-9a-zA-Z$=,./+é]{0,4}",
    ) {
        let mut text: Vec<char> = HASHES[which].chars().collect();
        let at = at.min(text.len());
        text.splice(at..(at + cut).min(text.len()), filling.chars());
        let text: String = text.into_iter().collect();
        if let Ok(hash) = StoredHash::parse(&text, &LIMITS) {
            proptest::prop_assert!(hash.memory_kib() <= 160 * 1024);
        }
    }

    #[test]
    fn a_malformed_hash_is_refused_without_repeating_it(text in "\\PC{24,80}") {
        if let Err(problem) = StoredHash::parse(&text, &LIMITS) {
            proptest::prop_assert!(!problem.contains(&text[text.ceil_char_boundary(text.len() / 2)..]));
        }
    }
}
