//! Codes of a second factor: many at once, and wrong ones.

use futures_util::future::join_all;

use super::second_factor::{GRANT, service};
use super::support::{NO_LIMITS, Reply};

#[actix_rt::test]
async fn a_code_that_is_sent_twenty_times_at_once_logs_in_once() {
    let (service, phone) = service(&NO_LIMITS).await;
    let other = service.beside().await;
    for round in 0..5 {
        let (code, token) = (phone.code(&service, 0), service.mfa_token().await);
        let second_steps = (0..20).map(|number| {
            let service = if number % 2 == 0 { &service } else { &other };
            service.second_step(&token, ("otp", &code))
        });
        assert_once(join_all(second_steps).await);
        let code = &phone.recovery_codes[round];
        let recoveries = (0..20).map(|number| {
            let service = if number % 2 == 0 { &service } else { &other };
            service.second_step(&token, ("recovery_code", code))
        });
        assert_once(join_all(recoveries).await);
        service.pass(30);
    }
}

#[track_caller]
fn assert_once(replies: Vec<Reply>) {
    let (won, lost): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!(won.len(), 1);
    for reply in lost {
        reply.assert_error(400, "invalid_grant");
    }
}

#[actix_rt::test]
async fn wrong_codes_put_off_codes_and_nothing_else() {
    let (service, phone) = service(&[]).await;
    let token = service.mfa_token().await;
    for _ in 0..5 {
        service.second_step(&token, ("otp", "000000")).await.assert_error(400, "invalid_grant");
    }
    // The password is as good as ever, and ends nothing.
    for _ in 0..3 {
        service.mfa_token().await;
    }
    let right = phone.code(&service, 0);
    for code in [("otp", right.as_str()), ("recovery_code", &phone.recovery_codes[0])] {
        for reply in [service.second_step(&token, code).await, service.password_and(&[code]).await] {
            reply.assert_error(429, "too_many_requests");
            assert_eq!(reply.header("retry-after"), "2");
        }
    }
    service.pass(2);
    service.second_step(&token, ("otp", &right)).await.assert_ok();
    // And wrong passwords do not put off codes.
    let token = service.mfa_token().await;
    let form = [("client_id", "web"), ("username", "alice"), ("password", "wrong")];
    for _ in 0..5 {
        service.post("/token", &form).await.assert_error(400, "invalid_grant");
    }
    service.second_step(&token, ("recovery_code", &phone.recovery_codes[1])).await.assert_ok();
}

#[actix_rt::test]
async fn of_many_wrong_codes_at_once_no_more_are_looked_at_than_may_be_wrong() {
    let (service, _) = service(&[]).await;
    let token = service.mfa_token().await;
    let replies = join_all((0..40).map(|_| service.second_step(&token, ("otp", "000000")))).await;
    let looked_at = replies.iter().filter(|reply| reply.status == 400).count();
    assert_eq!(looked_at, 5);
    assert!(replies.iter().all(|reply| [400, 429].contains(&reply.status)));
}

#[actix_rt::test]
async fn wrong_codes_from_everywhere_are_limited_but_for_where_the_user_was_before() {
    let proxy = [("server.trusted_proxies", "127.0.0.1"), ("limits.account_attempts", "10")];
    let (service, phone) = service(&proxy).await; // at 127.0.0.1
    let token = service.mfa_token().await;
    let guess = async |address: &str, otp: &str| {
        let form = [("grant_type", GRANT), ("client_id", "web"), ("mfa_token", &token), ("otp", otp)];
        let request = service.http.post(format!("{}/token", service.url)).header("X-Forwarded-For", address);
        Reply::of(request.form(&form).send().await.unwrap()).await
    };
    for number in 0..10 {
        guess(&format!("203.0.113.{number}"), "000000").await.assert_error(400, "invalid_grant");
    }
    let code = phone.code(&service, 0);
    guess("203.0.113.99", &code).await.assert_error(429, "too_many_requests");
    service.second_step(&token, ("otp", &code)).await.assert_ok();
}
