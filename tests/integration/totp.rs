//! What people do with their own second factor, what is stored of it, and what operators do.

use chancery::store::totp as table;
use futures_util::future::{join, join_all};
use serde_json::json;

use super::page::{APP, Tab, assert_signed_out, assert_unknown};
use super::place::Place;
use super::second_factor::{assert_logged_in, code, service};
use super::support::{PASSWORD, Reply, Service};

impl Service {
    async fn totp(&self, tab: &Tab, path: &str, body: serde_json::Value) -> Reply {
        self.page_with("POST", &format!("/account/totp{path}"), tab, &body.to_string()).await
    }

    async fn status(&self, tab: &Tab) -> (bool, i64) {
        let reply = self.page("GET", "/account/totp", tab).await.assert_ok();
        let account = self.page("GET", "/account", tab).await.assert_ok();
        assert_eq!(account.body["totp"], reply.body["enabled"]);
        (reply.body["enabled"].as_bool().unwrap(), reply.body["recovery_codes_left"].as_i64().unwrap())
    }
}

#[actix_rt::test]
async fn an_app_is_set_up_and_asked_for_only_once_it_has_shown_a_code() {
    let service = Service::browser(&[("totp.issuer_name", "Example & Co")]).await;
    let [tab, other] =
        [service.sign_in().await, service.sign_in().await].map(|reply| Tab::of(&reply.assert_ok()));
    let elsewhere = service.login_as("alice", "web").await;
    assert_eq!(service.status(&tab).await, (false, 0));
    let reply = service.propose(&tab).await.assert_ok();
    assert_eq!(reply.header("cache-control"), "no-store");
    let secret = reply.text("secret");
    let uri = format!("otpauth://totp/Example%20%26%20Co:alice?secret={secret}&issuer=Example%20%26%20Co");
    assert_eq!(reply.text("uri"), uri);
    assert!(reply.text("qr_svg").contains("<svg"));
    // Nothing is asked for yet.
    assert_eq!(service.status(&tab).await, (false, 0));
    assert_logged_in(service.password_and(&[]).await, &["pwd"]);
    service.confirm(&tab, "000000").await.assert_error(400, "invalid_grant");
    let otp = code(secret, &service, 0);
    let reply = service.confirm(&tab, &otp).await.assert_ok();
    assert_eq!(reply.body["recovery_codes"].as_array().unwrap().len(), 10);
    assert_eq!(service.status(&tab).await, (true, 10));
    assert_signed_out(&service.page("GET", "/session", &other).await);
    service.refresh(elsewhere.text("refresh_token")).await.assert_error(400, "invalid_grant");
    service.page("POST", "/session/refresh", &tab).await.assert_ok();
    // The code that confirmed it is spent.
    service.password_and(&[("otp", &otp)]).await.assert_error(400, "invalid_grant");
    service.pass(30);
    let next = code(secret, &service, 0);
    assert_logged_in(service.password_and(&[("otp", &next)]).await, &["pwd", "otp", "mfa"]);
}

#[actix_rt::test]
async fn a_secret_that_was_not_confirmed_is_replaced_and_a_confirmed_one_is_not() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    service.confirm(&tab, "123456").await.assert_error(409, "totp_not_enabled");
    let old = service.propose(&tab).await.assert_ok();
    let host = format!("otpauth://totp/127.0.0.1:alice?secret={}&issuer=127.0.0.1", old.text("secret"));
    assert_eq!(old.text("uri"), host);
    let new = service.propose(&tab).await.assert_ok();
    let otp = code(old.text("secret"), &service, 0);
    service.confirm(&tab, &otp).await.assert_error(400, "invalid_grant");
    service.confirm(&tab, &code(new.text("secret"), &service, 0)).await.assert_ok();
    service.propose(&tab).await.assert_error(409, "totp_enabled");
    service.pass(30);
    service.confirm(&tab, &code(new.text("secret"), &service, 0)).await.assert_error(409, "totp_enabled");
}

#[actix_rt::test]
async fn a_secret_that_was_not_confirmed_goes_with_the_password_that_asked_for_it() {
    let service = Service::browser(&[]).await;
    let thief = Tab::of(&service.sign_in().await.assert_ok());
    let secret = service.propose(&thief).await.assert_ok();
    let owner = Tab::of(&service.sign_in().await.assert_ok());
    let new = "a new battery for the same horse";
    let body = json!({ "current_password": PASSWORD, "new_password": new }).to_string();
    service.page_with("PUT", "/account/password", &owner, &body).await.assert_ok();
    let otp = code(secret.text("secret"), &service, 0);
    service.confirm(&owner, &otp).await.assert_error(409, "totp_not_enabled");
    service.sign_in_with(new).await.assert_ok();
}

#[actix_rt::test]
async fn whatever_changes_it_takes_a_login_the_password_and_a_page_of_ours() {
    let (service, phone) = service(&[]).await;
    let tab = &phone.tab;
    let (otp, recovery) = (phone.code(&service, 0), &phone.recovery_codes[0]);
    let good = json!({ "password": PASSWORD, "otp": otp }).to_string();
    for path in ["", "/confirm", "/recovery-codes", "/disable"] {
        let path = format!("/account/totp{path}");
        assert_unknown(&service.send("POST", &path, &[("origin", APP)], Some(&good)).await);
        let headers = [("origin", APP), ("cookie", tab.cookies.as_str())];
        service.send("POST", &path, &headers, Some(&good)).await.assert_error(403, "access_denied");
    }
    for path in ["/recovery-codes", "/disable"] {
        for wrong in [
            json!({ "password": "wrong", "otp": otp }),
            json!({ "password": "wrong", "recovery_code": recovery, "otp": "" }),
            json!({ "password": PASSWORD, "otp": "000000" }),
            json!({ "password": PASSWORD }),
            json!({ "otp": otp }),
        ] {
            let reply = service.totp(tab, path, wrong).await;
            assert!(["invalid_grant", "invalid_request"].contains(&reply.text("error")), "{reply:?}");
        }
    }
    let reply =
        service.totp(tab, "/recovery-codes", json!({ "password": PASSWORD, "recovery_code": recovery }));
    reply.await.assert_error(400, "invalid_request");
    assert_eq!(service.status(tab).await, (true, 10));
}

#[actix_rt::test]
async fn new_recovery_codes_replace_the_old_ones() {
    let (service, phone) = service(&[]).await;
    let [old, used] = [0, 1].map(|number| phone.recovery_codes[number].as_str());
    service.password_and(&[("recovery_code", used)]).await.assert_ok();
    assert_eq!(service.status(&phone.tab).await, (true, 9));
    let body = json!({ "password": PASSWORD, "otp": phone.code(&service, 0) });
    let reply = service.totp(&phone.tab, "/recovery-codes", body.clone()).await.assert_ok();
    assert_eq!(service.status(&phone.tab).await, (true, 10));
    // The code is spent here as at a login.
    service.totp(&phone.tab, "/recovery-codes", body).await.assert_error(400, "invalid_grant");
    service.password_and(&[("recovery_code", old)]).await.assert_error(400, "invalid_grant");
    let new = reply.body["recovery_codes"][0].as_str().unwrap();
    service.password_and(&[("recovery_code", new)]).await.assert_ok();
}

#[actix_rt::test]
async fn it_is_turned_off_with_a_code_of_either_kind() {
    for recovery in [false, true] {
        let (service, phone) = service(&[]).await;
        let login = service.password_and(&[("otp", &phone.code(&service, 0))]).await.assert_ok();
        service.pass(30);
        let mut body = json!({ "password": PASSWORD });
        if recovery {
            body["recovery_code"] = phone.recovery_codes[0].as_str().into();
        } else {
            body["otp"] = phone.code(&service, 0).into();
        }
        let reply = service.totp(&phone.tab, "/disable", body.clone()).await.assert_ok();
        assert_eq!(reply.body, json!({}));
        assert_eq!(service.status(&phone.tab).await, (false, 0));
        service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
        service.totp(&phone.tab, "/disable", body).await.assert_error(409, "totp_not_enabled");
        assert_logged_in(service.password_and(&[]).await, &["pwd"]);
    }
}

#[actix_rt::test]
async fn wrong_codes_at_an_account_count_like_those_at_a_login() {
    let (service, phone) = service(&[]).await;
    let body = json!({ "password": PASSWORD, "otp": "000000" });
    for path in ["/disable", "/recovery-codes", "/disable", "/recovery-codes", "/disable"] {
        service.totp(&phone.tab, path, body.clone()).await.assert_error(400, "invalid_grant");
    }
    service.totp(&phone.tab, "/disable", body).await.assert_error(429, "too_many_requests");
    let token = service.mfa_token().await;
    let right = phone.code(&service, 0);
    service.second_step(&token, ("otp", &right)).await.assert_error(429, "too_many_requests");
}

#[actix_rt::test]
async fn of_many_confirmations_at_once_one_yields_recovery_codes() {
    let service = Service::browser(&[]).await;
    let tab = Tab::of(&service.sign_in().await.assert_ok());
    let secret = service.propose(&tab).await.assert_ok().text("secret").to_owned();
    let otp = code(&secret, &service, 0);
    let replies = join_all((0..10).map(|_| service.confirm(&tab, &otp))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
    assert!(replies.iter().all(|reply| [200, 409, 503].contains(&reply.status)), "{replies:?}");
    assert_eq!(service.status(&tab).await, (true, 10));
}

#[actix_rt::test]
async fn no_session_of_the_password_alone_outlives_a_confirmation_that_races_with_logins() {
    let service = Service::browser(&[]).await;
    for _ in 0..10 {
        let tab = Tab::of(&service.sign_in().await.assert_ok());
        let secret = service.propose(&tab).await.assert_ok().text("secret").to_owned();
        let otp = code(&secret, &service, 0);
        let logins = join_all((0..6).map(|_| service.password_and(&[])));
        let (logins, confirmed) = join(logins, service.confirm(&tab, &otp)).await;
        confirmed.assert_ok();
        for login in logins {
            if login.status == 200 {
                service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
            } else {
                login.assert_error(400, "mfa_required");
            }
        }
        service.pass(30);
        let body = json!({ "password": PASSWORD, "otp": code(&secret, &service, 0) });
        service.totp(&tab, "/disable", body).await.assert_ok();
    }
}

#[actix_rt::test]
async fn nothing_in_the_database_makes_a_code() {
    let (service, phone) = service(&[]).await;
    let id = phone.user.id.clone();
    let row = service.store().read(move |conn| table::find(conn, &id)).await.unwrap().unwrap();
    assert!(row.sealed_secret.starts_with("ey") && row.sealed_secret.split('.').count() == 5);
    // Another user's row does not open for alice, nor hers for another.
    let bob = service.user("bob").await;
    let keys = &service.app.issuer.keys;
    let secret = totp_rs::Secret::try_from_base32(&phone.secret).unwrap();
    assert_eq!(*keys.unseal_totp(&phone.user.id, &row.sealed_secret).unwrap(), secret.as_bytes());
    let refused = keys.unseal_totp(&bob.id, &row.sealed_secret).unwrap_err().to_string();
    assert!(refused.contains("another key's"), "{refused}");
}

#[actix_rt::test]
async fn an_operator_takes_a_lost_factor_away_and_the_sessions_with_it() {
    let (service, phone) = service(&[]).await;
    let login = service.password_and(&[("otp", &phone.code(&service, 0))]).await.assert_ok();
    let token = service.mfa_token().await;
    let place = Place::of(&service);
    assert_eq!(place.run("users show alice --json").json()["totp"], true);
    let reset = place.run("users reset-totp alice --json").json();
    assert_eq!(reset, json!({ "id": phone.user.id, "reset": true }));
    assert_eq!(place.run("users show alice --json").json()["totp"], false);
    assert!(place.run("users reset-totp alice").assert(0).stderr.contains("had no second factor"));
    place.run("users reset-totp nobody").assert(3);
    service.refresh(login.text("refresh_token")).await.assert_error(400, "invalid_grant");
    let code = ("recovery_code", phone.recovery_codes[0].as_str());
    service.second_step(&token, code).await.assert_error(400, "invalid_grant");
    assert_logged_in(service.password_and(&[]).await, &["pwd"]);
}
