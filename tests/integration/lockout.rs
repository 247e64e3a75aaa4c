//! Wrong guesses, and whom they keep out.

use chancery::accounts::users;
use futures_util::future::join_all;
use serde_json::json;

use super::support::{NO_LIMITS, PASSWORD, Reply, Service};

/// The tests' client is the proxy: so it can be in many places.
const BEHIND_A_PROXY: (&str, &str) = ("server.trusted_proxies", "127.0.0.1");
const HOME: &str = "198.51.100.7";
const ELSEWHERE: &str = "203.0.113.66";

impl Service {
    async fn guess_from(&self, address: &str, user: &str, password: &str) -> Reply {
        let form = [("client_id", "web"), ("username", user), ("password", password)];
        let request = self.http.post(format!("{}/token", self.url)).header("X-Forwarded-For", address);
        Reply::of(request.form(&form).send().await.unwrap()).await
    }

    pub(super) async fn guess(&self, user: &str, password: &str) -> Reply {
        self.guess_from(HOME, user, password).await
    }

    /// Guesses that are looked at, and wrong.
    async fn err(&self, times: usize, address: &str, user: &str) {
        for _ in 0..times {
            self.guess_from(address, user, "wrong").await.assert_error(400, "invalid_grant");
        }
    }
}

/// Alice and her client.
pub(super) async fn service(settings: &[(&str, &str)]) -> Service {
    let service = Service::start_with(settings).await;
    service.public("web").await;
    service.user("alice").await;
    service
}

/// Not looked at: come again after so many seconds.
#[track_caller]
pub(super) fn assert_put_off(reply: &Reply, seconds: u64) {
    reply.assert_error(429, "too_many_requests");
    assert_eq!(reply.header("retry-after"), seconds.to_string());
    let body = json!({ "error": "too_many_requests",
        "error_description": "too many wrong attempts; try again later" });
    assert_eq!(reply.body, body);
}

#[actix_rt::test]
async fn after_five_wrong_guesses_the_next_waits_whether_it_is_right_or_wrong() {
    let service = service(&[]).await;
    service.err(5, HOME, "alice").await;
    assert_put_off(&service.guess("alice", PASSWORD).await, 2);
    assert_put_off(&service.guess("ALICE", "wrong").await, 2);
    service.pass(2);
    service.guess("alice", PASSWORD).await.assert_ok();
}

#[actix_rt::test]
async fn each_further_wrong_guess_doubles_the_wait_up_to_the_longest() {
    let service = service(&[("limits.longest_delay", "10s")]).await;
    service.err(5, HOME, "alice").await;
    for wait in [2, 4, 8, 10, 10] {
        service.pass(wait - 1);
        assert_put_off(&service.guess("alice", "wrong").await, 1);
        service.pass(1);
        service.err(1, HOME, "alice").await;
    }
}

#[actix_rt::test]
async fn an_account_that_there_is_not_is_like_one_that_there_is() {
    let service = service(&[]).await;
    for name in ["nobody", "no username", "alice"] {
        service.err(5, HOME, name).await;
        assert_put_off(&service.guess(name, PASSWORD).await, 2);
    }
}

#[actix_rt::test]
async fn a_disabled_users_right_password_counts_as_wrong() {
    let service = service(&[]).await;
    let user = users::find(service.store(), "alice").await.unwrap();
    users::disable(service.store(), &user, service.now()).await.unwrap();
    for _ in 0..5 {
        service.guess("alice", PASSWORD).await.assert_error(400, "invalid_grant");
    }
    assert_put_off(&service.guess("alice", PASSWORD).await, 2);
}

#[actix_rt::test]
async fn a_right_password_ends_the_row() {
    let service = service(&[]).await;
    for _ in 0..3 {
        service.err(4, HOME, "alice").await;
        service.guess("alice", PASSWORD).await.assert_ok();
    }
}

#[actix_rt::test]
async fn a_stranger_does_not_lock_the_owner_out() {
    let service = service(&[BEHIND_A_PROXY]).await;
    service.err(5, ELSEWHERE, "alice").await;
    for _ in 0..50 {
        assert_put_off(&service.guess_from(ELSEWHERE, "alice", "wrong").await, 2);
    }
    service.guess_from(HOME, "alice", PASSWORD).await.assert_ok();
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 2);
}

#[actix_rt::test]
async fn a_network_of_ipv6_is_what_one_subscriber_has() {
    let service = service(&[BEHIND_A_PROXY]).await;
    service.err(4, "2001:db8:0:100::1", "alice").await;
    service.err(1, "[2001:db8:0:1ff:ffff::2]:443", "alice").await;
    assert_put_off(&service.guess_from("2001:db8:0:142::3", "alice", PASSWORD).await, 2);
    service.guess_from("2001:db8:0:200::1", "alice", PASSWORD).await.assert_ok();
}

#[actix_rt::test]
async fn spoofed_forwarding_headers_change_nothing() {
    let service = service(&[]).await;
    for number in 0..5 {
        service.err(1, &format!("198.51.100.{number}"), "alice").await;
    }
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 2);
}

#[actix_rt::test]
async fn what_a_client_puts_before_the_proxys_own_word_changes_nothing() {
    let service = service(&[BEHIND_A_PROXY]).await;
    for number in 0..5 {
        service.err(1, &format!("192.0.2.{number}, {ELSEWHERE}"), "alice").await;
    }
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 2);
}

#[actix_rt::test]
async fn guesses_from_many_networks_are_counted_together() {
    let service = service(&[BEHIND_A_PROXY, ("limits.account_attempts", "12")]).await;
    for number in 0..3 {
        service.err(4, &format!("203.0.113.{number}"), "alice").await;
    }
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", "wrong").await, 900);
    // Until one is forgiven.
    service.pass(900);
    service.err(1, ELSEWHERE, "alice").await;
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", "wrong").await, 900);
    service.err(4, ELSEWHERE, "bob").await;
}

#[actix_rt::test]
async fn an_attack_from_many_networks_keeps_the_owner_out_of_none_that_the_account_was_used_from() {
    let service = service(&[BEHIND_A_PROXY, ("limits.account_attempts", "12")]).await;
    service.guess_from(HOME, "alice", PASSWORD).await.assert_ok();
    for number in 0..3 {
        service.err(4, &format!("2001:db8:{number}::1"), "alice").await;
    }
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 900);
    service.guess_from(HOME, "alice", PASSWORD).await.assert_ok();
    // Somebody there who is not the owner has no more guesses than elsewhere.
    service.err(5, HOME, "alice").await;
    assert_put_off(&service.guess_from(HOME, "alice", PASSWORD).await, 2);
}

#[actix_rt::test]
async fn a_network_that_tries_many_accounts_is_put_off_until_one_guess_is_forgiven() {
    let service = service(&[BEHIND_A_PROXY, ("limits.address_attempts", "10")]).await;
    for number in 0..10 {
        service.err(1, ELSEWHERE, &format!("user{number}")).await;
    }
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 6);
    service.guess_from(HOME, "alice", PASSWORD).await.assert_ok();
    service.pass(6);
    // Right ones count for nothing.
    for _ in 0..20 {
        service.guess_from(ELSEWHERE, "alice", PASSWORD).await.assert_ok();
    }
    service.err(1, ELSEWHERE, "bob").await;
    assert_put_off(&service.guess_from(ELSEWHERE, "alice", PASSWORD).await, 6);
}

#[actix_rt::test]
async fn of_two_hundred_wrong_guesses_at_once_five_are_looked_at() {
    let service = service(&[("password.queue", "1000")]).await;
    let replies = join_all((0..200).map(|_| service.guess("alice", "wrong"))).await;
    let looked_at = replies.iter().filter(|reply| reply.status == 400).count();
    let put_off = replies.iter().filter(|reply| reply.status == 429).count();
    assert_eq!((looked_at, put_off), (5, 195));
}

#[actix_rt::test]
async fn right_passwords_at_once_all_pass() {
    let service = service(&[("password.queue", "1000")]).await;
    service.err(3, HOME, "alice").await;
    for reply in join_all((0..100).map(|_| service.guess("alice", PASSWORD))).await {
        reply.assert_ok();
    }
}

#[actix_rt::test]
async fn guesses_of_clients_that_hang_up_leave_nothing_behind() {
    let service = service(&[("limits.attempts", "2")]).await;
    for _ in 0..20 {
        let hung_up = service.guess("alice", "wrong");
        let _ = tokio::time::timeout(std::time::Duration::from_millis(1), hung_up).await;
    }
    let in_turn = || async {
        // Those that were answered in time count.
        let reply = service.guess("alice", PASSWORD).await;
        if reply.status == 429 {
            service.pass(900);
        }
        reply.status == 200
    };
    for _ in 0..20 {
        if in_turn().await {
            return;
        }
    }
    panic!("alice is locked out");
}

#[actix_rt::test]
async fn wrong_client_secrets_are_limited_like_passwords_but_never_keep_a_right_one_out() {
    let service = service(&[BEHIND_A_PROXY]).await;
    let secret = service.confidential("api").await;
    let form = [("grant_type", "client_credentials"), ("token", "x")];
    for client in ["api", "nobody"] {
        for _ in 0..5 {
            service.post_as((client, "wrong"), "/token", &form).await.assert_error(401, "invalid_client");
        }
        for path in ["/token", "/introspect", "/revoke"] {
            assert_put_off(&service.post_as((client, "wrong"), path, &form).await, 2);
        }
        service.pass(2);
        service.post_as((client, "wrong"), "/token", &form).await.assert_error(401, "invalid_client");
        assert_put_off(&service.post_as((client, "wrong"), "/token", &form).await, 4);
    }
    // Another instance of the client may be the one that errs.
    service.post_as(("api", &secret), "/token", &form).await.assert_ok();
}

#[actix_rt::test]
async fn whoever_logs_in_many_times_at_once_leaves_room_for_others() {
    let service = service(&[("password.queue", "4"), ("password.max_concurrent", "6")]).await;
    service.user("bob").await;
    let flood = join_all((0..200).map(|_| service.guess("alice", PASSWORD)));
    let other = async {
        for _ in 0..20 {
            service.guess("bob", PASSWORD).await.assert_ok();
        }
    };
    futures_util::future::join(flood, other).await;
}

#[actix_rt::test]
async fn any_number_is_looked_at_where_there_are_no_limits() {
    let service = service(&NO_LIMITS).await;
    service.err(150, HOME, "alice").await;
    service.guess("alice", PASSWORD).await.assert_ok();
}
