"""Programs that verify tokens with nothing but the published keys, through key rotations and against forgers."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
import requests
from conftest import ROOT, Server, run, wait_until
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

JWKS = "/.well-known/jwks.json"
EXAMPLES: dict[str, list[str | Path]] = {
    "python": [sys.executable, ROOT / "examples/verify-python/verify.py"],
    "node": ["node", ROOT / "examples/verify-node/verify.mjs"],
}

example = pytest.mark.parametrize("example", EXAMPLES)


def verify(example: str, server: Server, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs an example with the token on standard input."""
    return run(*EXAMPLES[example], server.url, *options, input=token + "\n")


def verified(example: str, server: Server, token: str, *options: str) -> dict[str, Any]:
    done = verify(example, server, token, *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    """Exit code 1, one line, no claims."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("refused: ")


def kid(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]


def wait_for_token_of(server: Server, key: str) -> str:
    """A token signed by this key, as soon as the server has taken up a rotation."""

    def signed() -> str | None:
        token = server.token()["access_token"]
        return token if kid(token) == key else None

    return wait_until(signed, f"the server signs with {key}")


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
    before = server.create("keys", "list")

    refused = server.cli("keys", "rotate")

    assert refused.returncode == 5
    [coming] = server.keys("next")
    assert coming["promotable_at"] in refused.stderr
    assert coming["promotable_at"] > coming["published_at"]
    assert server.create("keys", "list") == before
    assert kid(server.token()["access_token"]) == server.keys("active")[0]["kid"]


class Relay(ThreadingHTTPServer):
    """Hands out the server's JWKS, counts how often, and can be switched off."""

    def __init__(self, server: Server) -> None:
        relay, self.fetches = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                relay.fetches += 1
                body = requests.get(server.url + JWKS, timeout=10).content
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{JWKS}"
        Thread(target=self.serve_forever, daemon=True).start()

    def switch_off(self) -> None:
        self.shutdown()
        self.server_close()


@contextmanager
def long_running_pyjwt(url: str, issuer: str) -> Iterator[Callable[[str], str]]:
    keys = jwt.PyJWKClient(url)

    def check(token: str) -> str:
        key = keys.get_signing_key_from_jwt(token)
        jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=issuer)
        return f"good {key.key_id}"

    yield check


@contextmanager
def long_running_jose(url: str, issuer: str) -> Iterator[Callable[[str], str]]:
    command = ["node", Path(__file__).with_name("cached_keys.mjs"), url, issuer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        ask, answers = process.stdin, process.stdout

        def check(token: str) -> str:
            print(token, file=ask, flush=True)
            return answers.readline().strip()

        yield check
        ask.close()  # ends it


@pytest.mark.parametrize("long_running", [long_running_pyjwt, long_running_jose])
def test_a_verifier_with_cached_keys_follows_a_rotation_without_fetching_again(
    start_server: Callable[..., Server],
    long_running: Callable[[str, str], Any],
) -> None:
    server = start_server(CHANCERY__JWKS__MAX_AGE="1s", CHANCERY__KEYS__PROPAGATION_TIME="2s")
    relay = Relay(server)
    with long_running(relay.url, server.url) as check:
        old = server.token()["access_token"]
        assert check(old) == f"good {kid(old)}"
        relay.switch_off()

        wait_until(lambda: server.cli("keys", "rotate", "--dry-run").returncode == 0, "the rotation is safe")
        new_key = server.create("keys", "rotate")["active"]

        new = wait_for_token_of(server, new_key)
        assert check(new) == f"good {new_key}"
        assert check(old) == f"good {kid(old)}"
    assert relay.fetches == 1


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def tampered(server: Server, token: str) -> str:
    """More scope than was granted."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | {"scope": "admin"}
    return f"{header}.{encode(json.dumps(claims).encode())}.{signature}"


def signed_by_a_foreign_key(server: Server, token: str) -> str:
    """Right in everything, the key id too, but for the key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, "RS256", headers=jwt.get_unverified_header(token))


def naming_an_unknown_key(server: Server, token: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, key, "RS256", headers={"typ": "at+jwt", "kid": "unknown"})


def unsigned(server: Server, token: str) -> str:
    header = jwt.get_unverified_header(token) | {"alg": "none"}
    return f"{encode(json.dumps(header).encode())}.{token.split('.')[1]}."


def signed_with_the_public_key_as_a_secret(server: Server, token: str) -> str:
    key = jwt.PyJWKClient(server.url + JWKS).get_signing_key_from_jwt(token).key
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = jwt.get_unverified_header(token) | {"alg": "HS256"}
    signed = f"{encode(json.dumps(header).encode())}.{token.split('.')[1]}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@example
@pytest.mark.parametrize(
    "forge",
    [tampered, signed_by_a_foreign_key, naming_an_unknown_key, unsigned, signed_with_the_public_key_as_a_secret],
)
def test_a_forged_token_is_refused(server: Server, example: str, forge: Callable[[Server, str], str]) -> None:
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
