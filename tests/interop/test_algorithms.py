"""Rings that sign with PS256, ES256 and EdDSA, as verifiers see them, and the way from one algorithm to another."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import jwt
import pytest
import requests
from conftest import QUICK, Server, run
from forgeries import FORGERIES, claims_of
from joserfc.jwk import ECKey, OctKey
from verifiers import (
    ALGORITHMS,
    EXAMPLES,
    JWKS,
    LONG_RUNNING,
    Check,
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

# What tells their keys apart.
KINDS = {
    "RS256": {"kty": "RSA", "alg": "RS256"},
    "PS256": {"kty": "RSA", "alg": "PS256"},
    "ES256": {"kty": "EC", "crv": "P-256", "alg": "ES256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA"},
}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

new_algorithm = pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA"])


def algorithm_of(token: str) -> str:
    return jwt.get_unverified_header(token)["alg"]


def offered(server: Server) -> list[str]:
    """The algorithms that the metadata name."""
    [one, other] = [
        requests.get(f"{server.url}/.well-known/{name}", timeout=30).json()["id_token_signing_alg_values_supported"]
        for name in ("oauth-authorization-server", "openid-configuration")
    ]
    assert one == other
    return one


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_metadata_and_jwks_follow_the_setting(server_of: Callable[[str], Server], algorithm: str) -> None:
    server = server_of(algorithm)
    token = server.token()["access_token"]
    assert algorithm_of(token) == algorithm
    assert offered(server) == [algorithm]
    keys: list[dict[str, Any]] = json.loads(published(server))["keys"]
    assert [key["kid"] for key in keys] == [server.keys(state)[0]["kid"] for state in ("active", "next")]
    assert keys[0]["kid"] == kid(token)
    for key in keys:
        assert {name: key.get(name) for name in ("kty", "crv", "alg")} == {"crv": None} | KINDS[algorithm]
        assert key["use"] == "sig"
        assert not PRIVATE_MEMBERS & key.keys()


@new_algorithm
@example
def test_the_examples_accept_a_token(server_of: Callable[[str], Server], example: str, algorithm: str) -> None:
    server = server_of(algorithm)
    token = server.token()["access_token"]
    assert verified(example, server, token) == claims_of(token)


@new_algorithm
@example
def test_the_examples_refuse_forged_tokens(server_of: Callable[[str], Server], example: str, algorithm: str) -> None:
    server = server_of(algorithm)
    good = server.token()["access_token"]
    forged = [forge(server, good) for forge in FORGERIES]
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda token: verify(example, server, token), forged)
    for forge, refused in zip(FORGERIES, done, strict=True):
        assert refused.returncode == 1, forge.__name__
        assert_refused(refused)


@new_algorithm
@long_running
def test_a_long_running_verifier_tells_good_tokens_from_forged_ones(
    server_of: Callable[[str], Server], long_running: LongRunning, algorithm: str
) -> None:
    server = server_of(algorithm)
    good = server.token()["access_token"]
    with long_running(server.url + JWKS, server.url) as check:
        assert check(good) == f"good {kid(good)}"
        for forge in FORGERIES:
            assert check(forge(server, good)).startswith("refused "), forge.__name__
        assert check(good) == f"good {kid(good)}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_server_tells_its_good_tokens_from_forged_ones(server_of: Callable[[str], Server], algorithm: str) -> None:
    server = server_of(algorithm)
    good = server.token()["access_token"]
    assert server.accepts(good)
    assert [forge.__name__ for forge in FORGERIES if server.accepts(forge(server, good))] == []


@example
@pytest.mark.parametrize("algorithm", ["HS256", "ES384"])
def test_the_examples_take_no_other_algorithm_even_from_the_key_set(
    server: Server, example: str, algorithm: str
) -> None:
    key = OctKey.generate_key(256) if algorithm == "HS256" else ECKey.generate_key("P-384")
    headers = {"kid": "other", "typ": "at+jwt"}
    jwk = {"alg": algorithm, "use": "sig", "kid": "other"}
    issuer = Relay(json.dumps({"keys": [key.as_dict(private=algorithm == "HS256") | jwk]}).encode)
    audience = {"iss": issuer.issuer, "aud": issuer.issuer}
    claims = claims_of(server.token()["access_token"]) | audience
    token = jwt.encode(claims, jwt.PyJWK(key.as_dict(private=True) | jwk), headers=headers)

    refused = run(*EXAMPLES[example], issuer.issuer, input=token)

    issuer.switch_off()
    assert_refused(refused)
    assert "not allowed" in refused.stderr


def test_moving_to_another_algorithm_and_back_breaks_no_living_token(start_server: Callable[..., Server]) -> None:
    server = start_server(CHANCERY__KEYS__ALGORITHM="RS256", **QUICK)
    tokens = [server.token()["access_token"]]
    checks: list[Check] = []

    def assert_all_are_good_for(checks: list[Check]) -> None:
        for token in tokens:
            assert [check(token) for check in checks] == [f"good {kid(token)}"] * len(checks)

    with ExitStack() as running:

        def start_verifiers(url: str) -> list[Check]:
            """New ones, which fetch and cache the key set as it is now."""
            started = [running.enter_context(start(url, server.url)) for start in LONG_RUNNING]
            assert_all_are_good_for(started)
            return started

        def after_a_step(algorithms: list[str]) -> None:
            """Every token is good for the server, and for verifiers that cached the keys now or before any step."""
            tokens.append(server.token()["access_token"])
            assert algorithm_of(tokens[-1]) == algorithms[0]
            assert offered(server) == algorithms
            assert [token for token in tokens if not server.accepts(token)] == []
            assert_all_are_good_for(checks)
            checks.extend(start_verifiers(server.url + JWKS))

        after_a_step(["RS256"])
        for former, algorithm in (("RS256", "ES256"), ("ES256", "RS256")):
            server.restart(CHANCERY__KEYS__ALGORITHM=algorithm)
            after_a_step([former, algorithm])

            # These know the key set from before the rotation, and no other.
            relay = Relay(lambda: published(server))
            offline = start_verifiers(relay.url)
            relay.switch_off()
            tokens.append(wait_for_token_of(server, server.rotate_when_safe()))
            assert_all_are_good_for(offline)
            after_a_step([algorithm, former])

        by_key = {kid(token): algorithm_of(token) for token in tokens}
        assert list(by_key.values()) == ["RS256", "ES256", "RS256"]
        for name in EXAMPLES:
            for token in {kid(token): token for token in tokens}.values():
                assert verified(name, server, token)["iss"] == server.url
