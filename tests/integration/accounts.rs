//! Users and clients beneath the CLI.

use std::time::Duration;

use super::support::Service;
use chancery::accounts::clients::{self, Client};
use chancery::accounts::{Grant, Scopes};

const RETENTION: Duration = Duration::from_secs(25 * 3600);

fn refused(change: impl FnOnce(&mut Client)) -> String {
    let mut client = Client::new("web".to_owned(), super::support::START);
    client.grants = vec![Grant::Password];
    change(&mut client);
    client.check(RETENTION).unwrap_err().to_string()
}

#[test]
fn a_client_that_contradicts_itself_is_refused() {
    assert!(refused(|client| client.id = "a b".to_owned()).contains("client id"));
    assert!(refused(|client| client.grants.clear()).contains("grant"));
    assert!(refused(|client| client.grants = vec![Grant::ClientCredentials]).contains("confidential"));
    assert!(refused(|client| client.refresh_rotation = false).contains("rotate"));
    assert!(refused(|client| client.default_scopes = Some(Scopes::parse("x").unwrap())).contains("default"));
    assert!(refused(|client| client.audience = Some(vec!["a b".to_owned()])).contains("audience"));
    assert!(refused(|client| client.audience = Some(Vec::new())).contains("audience"));
    let day = Duration::from_secs(24 * 3600 + 1);
    assert!(refused(|client| client.access_token_lifetime = Some(day)).contains("lifetime"));
    let age = Duration::from_secs(9000 * 365 * 86400);
    assert!(refused(|client| client.refresh_absolute_lifetime = Some(age)).contains("session"));
    assert!(refused(|client| client.access_token_lifetime = Some(Duration::ZERO)).contains("second"));
    assert!(refused(|client| client.refresh_reuse_leeway = Some(day)).contains("leeway"));
}

#[actix_rt::test]
async fn a_username_that_looks_like_an_id_is_refused() {
    let service = Service::start().await;
    let user = service.user("alice").await;
    let new = chancery::accounts::users::NewUser {
        username: user.id.to_uppercase(),
        email: None,
        password_hash: String::new(),
        scopes: None,
        claims: chancery::accounts::ExtraClaims::default(),
    };
    let refused = chancery::accounts::users::create(service.store(), new, service.now()).await;
    assert!(refused.unwrap_err().to_string().contains("id"));
}

#[actix_rt::test]
async fn a_client_reads_back_as_it_was_stored() {
    let service = Service::start().await;
    let stored = service
        .public_with("web", |client| {
            client.audience = Some(vec!["https://a".to_owned(), "b".to_owned()]);
            client.default_scopes = Some(Scopes::parse("read").unwrap());
            client.refresh_reuse_leeway = Some(Duration::from_secs(10));
            client.refresh_idle_lifetime = Some(Duration::from_secs(11));
            client.refresh_absolute_lifetime = Some(Duration::from_secs(12));
            client.access_token_lifetime = Some(Duration::from_secs(13));
        })
        .await;
    let found = clients::find(service.store(), "web").await.unwrap();
    assert_eq!(format!("{stored:?}"), format!("{found:?}"));
    assert_eq!(clients::list(service.store()).await.unwrap().len(), 1);
    clients::delete(service.store(), "web").await.unwrap();
    assert!(clients::find(service.store(), "web").await.is_err());
}
