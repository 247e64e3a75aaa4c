"""`chancery dev` as a newcomer meets it: the lines that it prints are pasted into a shell, and work as printed."""

import ast
import json
import os
import re
import sys
from pathlib import Path

import pytest
from conftest import BINARY, Process, clean_environment, run, wait_until


def start_dev(folder: Path, data: Path) -> tuple[Process, str]:
    """Starts it, and waits for all that it prints."""
    process = Process(folder, "dev", "--bind", "127.0.0.1:0", "--data-dir", str(data))

    def printed() -> str | None:
        assert process.popen.poll() is None, process.log.read_text()
        text = process.output.read_text()
        return text if text.endswith("keys list\n\n") else None

    return process, wait_until(printed, "dev prints its lines")


def try_lines(text: str) -> None:
    """Runs the printed lines in one shell and checks what they show."""
    url = re.search(r"http://127\.0\.0\.1:\d+", text)
    assert url
    script = text.split("in this order:\n")[1].split("The other commands work")[0]
    with_python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # of this environment, which has PyJWT
    done = run("bash", "-c", script, env=clean_environment(PATH=with_python))
    assert (done.returncode, done.stderr) == (0, "")

    login, userinfo, refreshed, jwks, verified, replayed, revoked = done.stdout.splitlines()
    first, second = json.loads(login), json.loads(refreshed)
    assert first["token_type"] == "Bearer"
    assert json.loads(userinfo)["email"] == "demo@example.com"
    assert second["refresh_token"] != first["refresh_token"]
    assert len(json.loads(jwks)["keys"]) == 2
    assert ast.literal_eval(verified)["iss"] == url.group()
    assert json.loads(replayed)["error"] == "invalid_grant"
    assert json.loads(revoked) == {}


def test_the_printed_lines_work_on_the_first_start_and_on_the_second(folder: Path) -> None:
    data = folder / "data"
    for _ in range(2):
        process, text = start_dev(folder, data)
        try_lines(text)
        process.stop()
        assert process.popen.returncode == 0, process.log.read_text()


def test_the_other_commands_work_with_the_printed_settings_file(folder: Path) -> None:
    process, text = start_dev(folder, folder / "it's data")
    line = text.strip().splitlines()[-1]

    listed = run("bash", "-c", f"{line} --json", cwd="/", env=clean_environment())

    process.stop()
    assert listed.returncode == 0, listed.stderr
    assert sorted(key["state"] for key in json.loads(listed.stdout)) == ["active", "next"]


def test_the_known_password_stays_out_of_a_database_that_the_environment_names(folder: Path) -> None:
    production = folder / "production.db"
    exported = {"CHANCERY__DATABASE__URL": f"sqlite://{production}", "CHANCERY__ISSUER__URL": "https://a.example"}
    process = Process(folder, "dev", "--bind", "127.0.0.1:0", "--data-dir", str(folder / "data"), **exported)
    wait_until(lambda: process.output.read_text().endswith("keys list\n\n"), "dev prints its lines")
    process.stop()
    assert not production.exists()
    assert (folder / "data/chancery.toml").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "nonsense"])
def test_an_address_that_is_not_loopback_is_refused(folder: Path, address: str) -> None:
    refused = run(BINARY, "dev", "--bind", address, cwd=folder, env=clean_environment())
    assert refused.returncode == 2
    assert "--bind" in refused.stderr
    assert not list(folder.iterdir())
