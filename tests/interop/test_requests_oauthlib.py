"""requests-oauthlib as it comes: a public client that sends `Basic id:` and refreshes without saying who it is, and a
confidential one."""

import pytest
from conftest import PASSWORD, USERNAME, Server
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session


def login(server: Server, client_id: str, **options: str) -> OAuth2Session:
    session = OAuth2Session(client=LegacyApplicationClient(client_id))
    user = {"username": USERNAME, "password": PASSWORD}
    session.fetch_token(f"{server.url}/token", client_id=client_id, **user, **options)
    return session


def test_a_public_client_logs_in_and_refreshes(server: Server) -> None:
    session = login(server, "web")
    assert session.get(f"{server.url}/userinfo").json()["preferred_username"] == USERNAME
    first = dict(session.token)

    session.refresh_token(f"{server.url}/token")

    assert session.token["refresh_token"] != first["refresh_token"]
    assert session.get(f"{server.url}/userinfo").status_code == 200


def test_a_public_client_that_names_itself_in_the_form_logs_in(server: Server) -> None:
    assert login(server, "web", include_client_id=True).authorized


def test_a_confidential_client_logs_in_and_refreshes(server: Server) -> None:
    session = login(server, "backend", client_secret=server.secret)
    first = dict(session.token)

    session.refresh_token(f"{server.url}/token", auth=HTTPBasicAuth("backend", server.secret))

    assert session.token["access_token"] != first["access_token"]
    assert session.token["refresh_token"] != first["refresh_token"]


def test_a_replayed_refresh_token_is_its_invalid_grant_error(server: Server) -> None:
    session = login(server, "web")
    spent = session.token["refresh_token"]
    session.refresh_token(f"{server.url}/token")

    with pytest.raises(InvalidGrantError):
        session.refresh_token(f"{server.url}/token", refresh_token=spent)


def test_a_session_refreshes_itself_when_its_token_is_old(server: Server) -> None:
    tokens = dict(login(server, "web").token) | {"expires_in": -1, "expires_at": 1}
    kept: list[dict[str, str]] = []
    refresh = {"auto_refresh_url": f"{server.url}/token", "auto_refresh_kwargs": {"client_id": "web"}}
    session = OAuth2Session("web", token=tokens, token_updater=kept.append, **refresh)

    assert session.get(f"{server.url}/userinfo").status_code == 200

    assert kept[0]["refresh_token"] != tokens["refresh_token"]
