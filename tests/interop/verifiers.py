"""Programs and libraries that verify tokens with nothing but the published keys: the examples, run once for each token,
and long-running ones that keep the keys they fetched."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
import requests
from conftest import ROOT, Server, run, wait_until

JWKS = "/.well-known/jwks.json"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
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


def published(server: Server) -> bytes:
    """The JWKS as it is now."""
    return requests.get(server.url + JWKS, timeout=10).content


class Relay(ThreadingHTTPServer):
    """Hands out a JWKS, counts how often, and can be switched off."""

    def __init__(self, key_set: Callable[[], bytes]) -> None:
        relay, self.fetches = self, 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                relay.fetches += 1
                body = key_set()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server_port}"
        self.url = self.issuer + JWKS
        Thread(target=self.serve_forever, daemon=True).start()

    def switch_off(self) -> None:
        self.shutdown()
        self.server_close()


# Answers for a token: `good KID`, or `refused …`.
Check = Callable[[str], str]
# Starts with the JWKS's URL and the issuer.
LongRunning = Callable[[str, str], AbstractContextManager[Check]]


@contextmanager
def long_running_pyjwt(url: str, issuer: str) -> Iterator[Check]:
    # For an unknown key PyJWT fetches again at most every 30 s. In the tests a key waits seconds and not an hour before
    # it signs: so here that is 1 s.
    keys = jwt.PyJWKClient(url, cooldown_duration=1)

    def check(token: str) -> str:
        try:
            key = keys.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=ALGORITHMS, issuer=issuer, audience=issuer)
        except jwt.PyJWTError as error:
            return f"refused {error}"
        return f"good {key.key_id}"

    yield check


@contextmanager
def long_running_jose(url: str, issuer: str) -> Iterator[Check]:
    command = ["node", Path(__file__).with_name("cached_keys.mjs"), url, issuer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        ask, answers = process.stdin, process.stdout

        def check(token: str) -> str:
            print(token, file=ask, flush=True)
            return answers.readline().strip()

        yield check
        ask.close()  # ends it


LONG_RUNNING: list[LongRunning] = [long_running_pyjwt, long_running_jose]

long_running = pytest.mark.parametrize("long_running", LONG_RUNNING)
