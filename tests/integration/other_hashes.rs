//! Users whose password another system hashed.

use super::support::{PASSWORD, Reply, Service};
use chancery::accounts::users;
use chancery::accounts::users::NewUser;
use chancery::store::users::UserRow;

/// Of "correct horse battery staple", by passlib 1.7.4 and Django 5.2.
pub const HASHES: [(&str, &str); 7] = [
    ("bcrypt", "$2b$04$e8hET5AUc27mmy.PPd6xZekJXZ6Ry6RNS.TDNp6NZfF96tsVckU6a"),
    ("php", "$2y$04$ecF3uTwFMbyQ9cTOq/XfFupIDJo6C92LSia7wKNtShnVav80hHxMG"),
    (
        "passlib",
        "$pbkdf2-sha512$1000$jjEmpNR6b20NYSzlPEeI8Q$PhhQVHEoL18S88fKl0hq3Tqz2zEqI6naf/pGR3n6m98V8nHkt0yT0jRkBjgBKM.tRkhtAbU7skFqadosTQsnGA",
    ),
    (
        "shadow",
        "$6$rounds=1000$17gx4e9FudYj8lB9$S1PbLbTClj8YIdyvXU/CUFsvzLJ58AhE23jUoI5jZn40SuVR50C01hItjOOLtXLHrpUad1UeT/fm1DLrlhX.v/",
    ),
    ("scrypt", "$scrypt$ln=4,r=8,p=1$wjjnPAeA8L5XynkvBcBYKw$4HpEZM0cjT/8P/Hr1JWPKasWZWmXh1d6NrqsnqdqeLU"),
    ("django", "pbkdf2_sha256$1000$saltsaltsaltsaltsalt22$VyASWC9DewTL9QN51wURpDh7QYYAVnmwgpYqxhJrQs0="),
    ("django2", "bcrypt_sha256$$2b$04$ka3D1Ie1DmOuqOj6wMQ.dOIjSah3dlPggsmz75TPuhxbt2NiJ9AVe"),
];

async fn user(service: &Service, name: &str, hash: &str) {
    let new = NewUser {
        username: name.to_owned(),
        email: None,
        password_hash: hash.to_owned(),
        scopes: None,
        claims: chancery::accounts::ExtraClaims::default(),
    };
    users::create(service.store(), new, service.now()).await.unwrap();
}

async fn row(service: &Service, name: &str) -> UserRow {
    let name = name.to_owned();
    let find = move |conn: &mut _| chancery::store::users::find_by_key(conn, &name);
    service.store().read(find).await.unwrap().unwrap()
}

async fn try_password(service: &Service, user: &str, password: &str) -> Reply {
    let form = [("grant_type", "password"), ("client_id", "web"), ("username", user), ("password", password)];
    service.post("/token", &form).await
}

#[actix_rt::test]
async fn a_user_of_another_system_logs_in_unchanged_and_is_hashed_anew() {
    let service = Service::start().await;
    service.public("web").await;
    for (name, hash) in HASHES {
        user(&service, name, hash).await;
        try_password(&service, name, "correct horse").await.assert_error(400, "invalid_grant");
        assert_eq!(row(&service, name).await.password_hash, hash, "a wrong password changes nothing");
        let login = try_password(&service, name, PASSWORD).await.assert_ok();
        let new = row(&service, name).await.password_hash;
        assert!(new.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{name}: {new}");
        assert!(service.is_active(login.text("access_token")).await, "the session stays");
        try_password(&service, name, PASSWORD).await.assert_ok();
        assert_eq!(row(&service, name).await.password_hash, new, "once is enough");
        try_password(&service, name, "correct horse").await.assert_error(400, "invalid_grant");
    }
}

#[actix_rt::test]
async fn first_logins_at_the_same_moment_all_succeed() {
    let service = Service::start_with(&[("password.max_concurrent", "4")]).await;
    service.public("web").await;
    for (name, hash) in HASHES {
        user(&service, name, hash).await;
        let logins = (0..6).map(|_| try_password(&service, name, PASSWORD));
        for login in futures_util::future::join_all(logins).await {
            login.assert_ok();
        }
    }
}

#[actix_rt::test]
async fn a_row_with_a_hash_that_is_none_or_costs_too_much_lets_nobody_in_and_harms_nobody() {
    let service = Service::start().await;
    service.login().await;
    for (name, hash) in [
        ("nonsense", "5f4dcc3b5aa765d61d8327deb882cf99"),
        ("costly", "$2b$31$UA/JjNDJbTE2afUTz7cD0e07lLIK3mLpmyedUkIdF566H9IFS8x1W"),
        (
            "huge",
            "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ),
    ] {
        user(&service, name, hash).await;
        assert_eq!(try_password(&service, name, PASSWORD).await.status, 500, "{name}");
    }
    user(&service, "none", "!").await;
    for password in [PASSWORD, "!"] {
        try_password(&service, "none", password).await.assert_error(400, "invalid_grant");
    }
    service.login().await;
}
