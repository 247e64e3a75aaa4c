"""The real server on a free loopback port, with a temporary folder for all of its state, and its accounts."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

# Tests on loopback have no TLS; these two libraries must be told.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CHANCERY_BIN", ROOT / "target/debug/chancery")).resolve()
USERNAME, PASSWORD = "ada", "correct horse battery staple"

# A rotation is safe two seconds after the next key was published.
QUICK = {"CHANCERY__JWKS__MAX_AGE": "1s", "CHANCERY__KEYS__PROPAGATION_TIME": "2s"}

T = TypeVar("T")
started: "list[Process]" = []  # those whose logs a failing test shows


def wait_until(condition: Callable[[], T], what: str, seconds: float = 30) -> T:
    """Asks again and again until the answer is truthy, and returns it."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return answer


def utc_now() -> str:
    """As the command line writes it: earlier times sort first."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean_environment(**settings: str) -> dict[str, str]:
    """This process's environment without its settings of Chancery, and with these."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHANCERY")}
    return inherited | settings


def run(*command: str | Path, text: bool = True, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Runs a program to its end; its exit code is for the caller to judge."""
    return subprocess.run(command, capture_output=True, text=text, timeout=60, **options)


class Process:
    """A `chancery` that runs until it is stopped."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.output, self.log = folder / "stdout", folder / "log"
        with self.output.open("w") as output, self.log.open("a") as log:
            self.popen = subprocess.Popen(
                [BINARY, *arguments],
                cwd=folder,
                env=clean_environment(**environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
            )
        started.append(self)

    def is_ready(self, url: str) -> bool:
        assert self.popen.poll() is None, f"the server ended: {self.log.read_text()}"
        try:
            return requests.get(f"{url}/readyz", timeout=5).status_code == 200
        except (requests.ConnectionError, requests.Timeout):  # not listening yet, or still making its first keys
            return False

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        started.remove(self)


class Server:
    """`chancery serve` with a database of its own, and the command line that works on it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        # Bound but not listening: nobody else is given this port, and the server can still take it.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{self.reserved.getsockname()[1]}"
        self.url, self.folder = f"http://{address}", folder
        self.settings = {
            "CHANCERY__ISSUER__URL": self.url,
            "CHANCERY__SERVER__BIND": address,
            "CHANCERY__DATABASE__URL": f"sqlite://{folder}/chancery.db",
            "CHANCERY__KEYS__MASTER_KEY_FILE": f"{folder}/master.key",
            "CHANCERY__KEYS__RELOAD_INTERVAL": "1s",
            "CHANCERY__OAUTH__DEFAULT_CLIENT": "web",
            "CHANCERY__SERVER__DRAIN_TIME": "0s",  # nobody is there to leave
        } | settings
        try:
            self.start()
            self.make_accounts()
        except BaseException:
            print(self.process.log.read_text())
            self.stop()
            raise

    def start(self) -> None:
        self.process = Process(self.folder, "serve", **self.settings)
        wait_until(lambda: self.process.is_ready(self.url), "the server is ready")

    def restart(self, **settings: str) -> None:
        """Stops it, and starts it at the same address and on the same database with some settings changed."""
        self.process.stop()
        self.settings |= settings
        self.start()

    def make_accounts(self) -> None:
        """A user, a public client `web` and a confidential one `backend`."""
        self.create("users", "create", USERNAME, "--email", "ada@example.com", "--password-stdin", input=PASSWORD)
        sessions = ["--grant", "password", "--grant", "refresh_token", "--scope", "read write"]
        self.create("clients", "create", "--id", "web", "--public", *sessions)
        confidential = ["--id", "backend", "--confidential", "--grant", "client_credentials"]
        self.secret: str = self.create("clients", "create", *confidential, *sessions)["client_secret"]

    def cli(self, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[Any]:
        return run(BINARY, *arguments, cwd=self.folder, env=clean_environment(**self.settings), **options)

    def create(self, *arguments: str | Path, **options: Any) -> Any:
        """A command that must succeed; the JSON that it prints."""
        done = self.cli(*arguments, "--json", **options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def token(self, **form: str) -> dict[str, Any]:
        """What a login yields."""
        login = {"grant_type": "password", "client_id": "web", "username": USERNAME, "password": PASSWORD}
        response = requests.post(f"{self.url}/token", data=login | form, timeout=30)
        assert response.status_code == 200, response.text
        return response.json()

    def accepts(self, token: str) -> bool:
        """Whether the server itself takes this access token."""
        headers = {"Authorization": f"Bearer {token}"}
        status = requests.get(f"{self.url}/userinfo", headers=headers, timeout=30).status_code
        assert status in (200, 401)
        return status == 200

    def keys(self, state: str) -> list[dict[str, Any]]:
        return [key for key in self.create("keys", "list") if key["state"] == state]

    def ring(self) -> list[dict[str, Any]]:
        """The keys, without what changes by itself."""
        return [key | {"age_seconds": None} for key in self.create("keys", "list")]

    def rotate_when_safe(self) -> str:
        """Rotates without force, as soon as that is allowed; the key that signs from then on."""
        [coming] = self.keys("next")
        wait_until(lambda: utc_now() >= coming["promotable_at"], "the rotation is safe")
        assert self.create("keys", "rotate", "--dry-run")["active"] == coming["kid"]
        return self.create("keys", "rotate")["active"]

    def stop(self) -> None:
        self.process.stop()
        self.reserved.close()


@contextmanager
def running_server(**settings: str) -> Iterator[Server]:
    """A server with settings of its own, for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="chancery-interop-") as path:
        server = Server(Path(path), **settings)
        try:
            yield server
        finally:
            server.stop()


def import_file(server: Server, file: Path, *options: str | Path, **more: Any) -> dict[str, Any]:
    return server.create("keys", "import", file, *options, **more)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder of the test's own."""
    path = Path(tempfile.mkdtemp(prefix="chancery-interop-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def server_of() -> Iterator[Callable[[str], Server]]:
    """The servers, one for each algorithm, that all tests share which leave their keys alone."""
    with ExitStack() as running:
        yield cache(lambda algorithm: running.enter_context(running_server(CHANCERY__KEYS__ALGORITHM=algorithm)))


@pytest.fixture(scope="session")
def server(server_of: Callable[[str], Server]) -> Server:
    """The one of them that most tests share."""
    return server_of("RS256")


@pytest.fixture(scope="module")
def es256() -> Iterator[Server]:
    """A server whose next key is replaced by one test after the other."""
    with running_server(CHANCERY__KEYS__ALGORITHM="ES256") as server:
        yield server


@pytest.fixture
def start_server(folder: Path) -> Iterator[Callable[..., Server]]:
    """Starts a server with settings of its own."""
    servers: list[Server] = []

    def start(**settings: str) -> Server:
        servers.append(Server(folder, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def pytest_sessionfinish() -> None:
    for process in list(started):  # whose fixture failed half-way
        process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report: pytest.TestReport = yield
    if report.failed:
        logs = [(one.popen.pid, one.log) for one in started if one.log.exists()]
        report.sections += [(f"log of process {pid}", log.read_text()[-4000:]) for pid, log in logs]
    return report
