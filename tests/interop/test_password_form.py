"""FastAPI's login form: the fields of OAuth2PasswordRequestForm, with no client, and mostly no grant type."""

from typing import Any

import httpx
import jwt
import pytest
import requests
from conftest import PASSWORD, USERNAME, Server

LOGIN = {"username": USERNAME, "password": PASSWORD}

posting = pytest.mark.parametrize("post", [requests.post, httpx.post], ids=["requests", "httpx"])


@posting
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scope": ""},
        {"scope": "", "client_id": "", "client_secret": ""},
        {"grant_type": "", "scope": "", "client_id": ""},
        {"grant_type": "password", "scope": "read"},
    ],
    ids=["bare", "blank scope", "blank client", "blank grant type", "with grant type and scope"],
)
def test_a_login_form_without_a_client_gets_tokens_through_the_default_client(
    server: Server, post: Any, fields: dict[str, str]
) -> None:
    response = post(f"{server.url}/token", data=LOGIN | fields)

    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store"
    tokens = response.json()
    assert tokens["token_type"] == "Bearer"
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["client_id"] == "web"
    assert claims["scope"] == (fields.get("scope") or "read write")


@posting
def test_swagger_uis_blank_basic_credentials_are_no_client(server: Server, post: Any) -> None:
    response = post(f"{server.url}/token", data=LOGIN, auth=("", ""))
    assert response.status_code == 200, response.text


@posting
def test_its_refresh_token_needs_no_client_either_and_works_once(server: Server, post: Any) -> None:
    tokens = post(f"{server.url}/token", data=LOGIN).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    assert post(f"{server.url}/token", data=refresh).status_code == 200
    replayed = post(f"{server.url}/token", data=refresh)

    assert replayed.status_code == 400
    assert replayed.json()["error"] == "invalid_grant"


@posting
def test_a_wrong_password_is_invalid_grant(server: Server, post: Any) -> None:
    response = post(f"{server.url}/token", data=LOGIN | {"password": "wrong"})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
