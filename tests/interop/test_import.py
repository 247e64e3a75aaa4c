"""Users come with the hashes that passlib and Django made, at their default costs, and log in with their passwords."""

import csv
import json
import os
import pty
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
import requests
from conftest import BINARY, Server, clean_environment, running_server
from django.conf import settings
from django.core.management import call_command

# passlib is older than the libraries that it uses, and the standard library than it expects.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from passlib import hash as passlib

# The accent is a character of its own, which is not in NFC; in the middle of the last letter of the other, bcrypt stops.
UNICODE, LONG = PASSWORDS = ["pässwörd e\u0301 🔑", "a" * 71 + "é"]
HASHERS = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt"]

django_folder = tempfile.TemporaryDirectory(prefix="chancery-interop-django-")
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{django_folder.name}/db"}},
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
    USE_TZ=True,
)
django.setup()

PASSLIB = {
    "argon2id": passlib.argon2,
    "argon2i": passlib.argon2.using(type="I"),
    "bcrypt-2a": passlib.bcrypt.using(ident="2a"),
    "bcrypt-2b": passlib.bcrypt,
    "bcrypt-2y": passlib.bcrypt.using(ident="2y"),
    "pbkdf2-sha1": passlib.pbkdf2_sha1,
    "pbkdf2-sha256": passlib.pbkdf2_sha256,
    "pbkdf2-sha512": passlib.pbkdf2_sha512,
    "scrypt": passlib.scrypt,
    "sha256-crypt": passlib.sha256_crypt,
    "sha512-crypt": passlib.sha512_crypt,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # One address makes more wrong guesses than it may.
    with running_server(CHANCERY__LIMITS__ADDRESS_ATTEMPTS="0") as server:
        yield server


def attempt(server: Server, username: str, password: str) -> int:
    form = {"client_id": "web", "username": username, "password": password}
    return requests.post(f"{server.url}/token", data=form, timeout=60).status_code


def hash_of(server: Server, username: str) -> str:
    exported = server.cli("users", "export", "--with-hashes").stdout.splitlines()
    [user] = [user for user in map(json.loads, exported) if user["username"] == username]
    return user["password_hash"]


def import_users(server: Server, users: list[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(user) + "\n" for user in users)
    summary = server.create("users", "import", "-", input=lines)
    assert summary["imported"] == len(users), summary


def logs_in_and_is_rehashed(server: Server, username: str, password: str) -> None:
    assert attempt(server, username, password[:-1]) == 400
    assert not hash_of(server, username).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert attempt(server, username, password) == 200
    assert hash_of(server, username).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert attempt(server, username, password) == 200
    assert attempt(server, username, password[:-1]) == 400


@pytest.mark.parametrize("scheme", PASSLIB)
def test_a_user_of_passlib_logs_in_unchanged_and_is_hashed_anew(server: Server, scheme: str) -> None:
    hasher = PASSLIB[scheme]
    users = {f"{scheme}-{number}": password for number, password in enumerate(PASSWORDS)}
    import_users(server, [{"username": name, "password_hash": hasher.hash(users[name])} for name in users])
    for name, password in users.items():
        logs_in_and_is_rehashed(server, name, password)


def test_bcrypt_cuts_a_password_where_passlib_does(server: Server) -> None:
    hashed = passlib.bcrypt.hash(LONG + "tail")
    import_users(server, [{"username": "long", "password_hash": hashed}])
    other = LONG + "another tail"
    assert passlib.bcrypt.verify(other, hashed)
    assert attempt(server, "long", other) == 200
    # What was hashed anew is all of it.
    assert attempt(server, "long", LONG + "tail") == 400


@pytest.fixture(scope="module")
def django_users() -> list[dict[str, Any]]:
    """A table of Django's own, read as docs/import.md does; each name is its password's number and its hasher."""
    from django.contrib.auth.hashers import get_hashers
    from django.contrib.auth.models import User

    call_command("migrate", verbosity=0)
    for hasher in get_hashers():
        for number, password in enumerate(PASSWORDS):
            user = User(username=f"{number}@{hasher.algorithm}", email="x@example.com")
            user.password = hasher.encode(password, hasher.salt())
            user.save()
    inactive = User.objects.create_user("inactive", password=UNICODE)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    User.objects.create_user("nobody", password=None)
    return [
        {
            "username": user.username,
            "password_hash": user.password,
            "email": user.email,
            "disabled": not user.is_active,
            "created_at": user.date_joined.isoformat(),
            "claims": json.dumps({"user_id": user.pk}),
        }
        for user in User.objects.all()
    ]


def test_the_users_of_django_log_in_unchanged_and_are_hashed_anew(
    server: Server, django_users: list[dict[str, Any]], folder: Path
) -> None:
    with (folder / "users.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, django_users[0].keys())
        writer.writeheader()
        writer.writerows(django_users)
    summary = server.create("users", "import", folder / "users.csv")
    assert summary["imported"] == len(HASHERS) * len(PASSWORDS) + 2

    for user in django_users:
        if "@" in user["username"]:
            logs_in_and_is_rehashed(server, user["username"], PASSWORDS[int(user["username"][0])])
    assert attempt(server, "inactive", UNICODE) == 400
    nobody = next(user for user in django_users if user["username"] == "nobody")
    for password in ("", UNICODE, nobody["password_hash"]):
        assert attempt(server, "nobody", password) == 400

    # Each is recognised, though its hash is another now.
    summary = server.create("users", "import", folder / "users.csv")
    assert (summary["imported"], summary["refused"]) == (0, 0)


def test_a_terminal_sees_a_progress_bar(server: Server, folder: Path) -> None:
    """And what is wrong, while what is for scripts stays as it is."""
    lines = [json.dumps({"username": f"many{number}", "password_hash": "!"}) for number in range(3000)]
    (folder / "users.jsonl").write_text("\n".join([*lines, "wrong"]))
    process, terminal = pty.fork()
    if process == 0:
        stdout = os.open(folder / "stdout", os.O_CREAT | os.O_WRONLY)
        os.dup2(stdout, 1)
        command = [str(BINARY), "users", "import", "users.jsonl", "--json"]
        os.chdir(folder)
        os.execve(BINARY, command, clean_environment(**server.settings) | {"TERM": "xterm"})
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:  # Linux says so when the other side is closed
        pass
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 6
    assert "█".encode() in seen and b"line 3001: the line is no JSON object" in seen, seen
    assert json.loads((folder / "stdout").read_text())["imported"] == 3000
