"""What must never be in a log is not there, even when everything is logged."""

from collections.abc import Callable

import requests
from conftest import PASSWORD, USERNAME, Server


def test_no_secret_reaches_the_log_even_at_trace_level(start_server: Callable[..., Server]) -> None:
    server = start_server(CHANCERY__LOG__FILTER="trace", CHANCERY__LOG__FORMAT="json")
    tokens = server.token()
    secrets = [PASSWORD, server.secret, "wrong-password", "wrong-secret", "secret-in-the-url"]
    form = {"grant_type": "refresh_token", "client_id": "web", "refresh_token": tokens["refresh_token"]}
    refreshed = requests.post(f"{server.url}/token", data=form, timeout=30).json()
    requests.post(f"{server.url}/token", data=form, timeout=30)  # reuse, which is an audit event
    login = {"client_id": "web", "username": USERNAME, "password": "wrong-password"}
    requests.post(f"{server.url}/token", data=login, timeout=30)
    requests.post(f"{server.url}/token?password=secret-in-the-url", data=login, timeout=30)
    for secret in (server.secret, "wrong-secret"):
        backend = ("backend", secret)
        requests.post(f"{server.url}/introspect", data={"token": tokens["access_token"]}, auth=backend, timeout=30)
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    requests.get(f"{server.url}/userinfo", headers=bearer, timeout=30)
    requests.post(f"{server.url}/revoke", data={"token": refreshed["refresh_token"]}, timeout=30)

    log = server.process.log.read_text()

    assert "refresh_token_reused" in log
    for token in (tokens, refreshed):
        secrets += [token["access_token"], token["refresh_token"]]
    assert [secret for secret in secrets if secret in log] == []
