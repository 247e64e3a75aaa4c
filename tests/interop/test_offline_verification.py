"""Programs that verify tokens with nothing but the published keys, through key rotations and against forgers."""

import json
from collections.abc import Callable

from conftest import QUICK, Server, run, wait_until
from forgeries import Forge, forge
from verifiers import (
    EXAMPLES,
    LongRunning,
    Relay,
    assert_refused,
    example,
    kid,
    long_running,
    published,
    verified,
    verify,
    wait_for_token_of,
)


def test_a_token_verifies_offline_before_and_after_keys_rotate(start_server: Callable[..., Server]) -> None:
    server = start_server()
    old = server.token()["access_token"]
    user = server.create("users", "show", "ada")["id"]
    for name in EXAMPLES:
        assert verified(name, server, old)["sub"] == user

    rotated = server.create("keys", "rotate", "--force")

    new = wait_for_token_of(server, rotated["active"])
    assert kid(old) == rotated["retired"]
    for name in EXAMPLES:
        assert verified(name, server, old)["sub"] == user
        assert verified(name, server, new)["sub"] == user


def test_a_rotation_that_verifiers_cannot_know_of_is_refused_and_says_when_it_is_safe(server: Server) -> None:
    before = server.ring()

    refused = server.cli("keys", "rotate")

    assert refused.returncode == 5
    [coming] = server.keys("next")
    assert coming["promotable_at"] in refused.stderr
    assert coming["promotable_at"] > coming["published_at"]
    assert server.ring() == before
    assert kid(server.token()["access_token"]) == server.keys("active")[0]["kid"]


@long_running
def test_a_verifier_with_cached_keys_follows_a_rotation_without_fetching_again(
    start_server: Callable[..., Server],
    long_running: LongRunning,
) -> None:
    server = start_server(**QUICK)
    relay = Relay(lambda: published(server))
    with long_running(relay.url, server.url) as check:
        old = server.token()["access_token"]
        assert check(old) == f"good {kid(old)}"
        relay.switch_off()

        new_key = server.rotate_when_safe()

        new = wait_for_token_of(server, new_key)
        assert check(new) == f"good {new_key}"
        assert check(old) == f"good {kid(old)}"
    assert relay.fetches == 1


@example
@forge
def test_a_forged_token_is_refused(server: Server, example: str, forge: Forge) -> None:
    good = server.token()["access_token"]
    assert_refused(verify(example, server, forge(server, good)))


@example
def test_a_token_may_be_an_argument_too(server: Server, example: str) -> None:
    token = server.token()["access_token"]
    done = run(*EXAMPLES[example], server.url, token)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["iss"] == server.url


@example
def test_a_token_for_another_audience_is_refused(server: Server, example: str) -> None:
    token = server.token()["access_token"]
    assert_refused(verify(example, server, token, "--audience", "https://api.example.com"))


@example
def test_a_token_for_an_audience_of_its_own_is_accepted_by_that_one_alone(server: Server, example: str) -> None:
    audience = f"https://{example}.example.com"
    server.create("clients", "create", "--id", example, "--public", "--grant", "password", "--audience", audience)
    token = server.token(client_id=example)["access_token"]
    assert verified(example, server, token, "--audience", audience)["aud"] == audience
    assert_refused(verify(example, server, token))


@example
def test_a_token_of_another_type_is_refused(server: Server, example: str) -> None:
    client = f"{example}-jwt"
    server.create("clients", "create", "--id", client, "--public", "--grant", "password", "--token-type", "JWT")
    assert_refused(verify(example, server, server.token(client_id=client)["access_token"]))


@example
def test_an_expired_token_is_refused(server: Server, example: str) -> None:
    client = f"{example}-brief"
    brief = ["--grant", "password", "--access-token-lifetime", "1s"]
    server.create("clients", "create", "--id", client, "--public", *brief)
    token = server.token(client_id=client)["access_token"]
    refused = wait_until(lambda: (done := verify(example, server, token)).returncode and done, "it expires")
    assert_refused(refused)


@example
def test_an_issuer_that_does_not_answer_is_one_line_and_exit_code_1(server: Server, example: str) -> None:
    token = server.token()["access_token"]
    assert_refused(run(*EXAMPLES[example], "http://127.0.0.1:1", token))
