"""Authlib's OAuth2Session through a token's whole life, and its reading of the metadata."""

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from conftest import PASSWORD, USERNAME, Server

methods = pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])


def confidential(server: Server, method: str) -> OAuth2Session:
    return OAuth2Session(
        "backend",
        server.secret,
        token_endpoint=f"{server.url}/token",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )


def is_active(session: OAuth2Session, server: Server, token: str) -> bool:
    response = session.introspect_token(f"{server.url}/introspect", token=token)
    assert response.status_code == 200
    return response.json()["active"]


@methods
def test_a_token_lives_from_login_through_refresh_to_revocation(server: Server, method: str) -> None:
    session = confidential(server, method)

    first = session.fetch_token(username=USERNAME, password=PASSWORD, scope="read")
    assert first["scope"] == "read"
    assert session.get(f"{server.url}/userinfo").json()["email"] == "ada@example.com"
    assert is_active(session, server, first["access_token"])
    assert is_active(session, server, first["refresh_token"])

    second = session.refresh_token()
    assert second["refresh_token"] != first["refresh_token"]
    assert not is_active(session, server, first["refresh_token"])

    revoked = session.revoke_token(f"{server.url}/revoke", token=second["refresh_token"])
    assert (revoked.status_code, revoked.json()) == (200, {})
    assert not is_active(session, server, second["access_token"])
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token()


@methods
def test_a_service_gets_a_token_of_its_own_and_revokes_it(server: Server, method: str) -> None:
    session = confidential(server, method)

    token = session.fetch_token(grant_type="client_credentials")
    assert "refresh_token" not in token
    assert is_active(session, server, token["access_token"])

    session.revoke_token(f"{server.url}/revoke", token=token["access_token"], token_type_hint="access_token")
    assert not is_active(session, server, token["access_token"])


@methods
def test_a_wrong_secret_is_invalid_client(server: Server, method: str) -> None:
    session = OAuth2Session("backend", "wrong", token_endpoint_auth_method=method)
    with pytest.raises(OAuthError, match="invalid_client"):
        session.fetch_token(f"{server.url}/token", grant_type="client_credentials")


def test_a_public_client_logs_in_and_refreshes(server: Server) -> None:
    session = OAuth2Session("web", token_endpoint=f"{server.url}/token", token_endpoint_auth_method="none")
    first = session.fetch_token(username=USERNAME, password=PASSWORD)
    assert session.refresh_token()["refresh_token"] != first["refresh_token"]


@pytest.mark.parametrize("path", ["oauth-authorization-server", "openid-configuration"])
def test_the_metadata_is_valid_as_far_as_it_applies(server: Server, path: str) -> None:
    document = requests.get(f"{server.url}/.well-known/{path}", timeout=10).json()
    metadata = AuthorizationServerMetadata(document)
    assert metadata["issuer"] == server.url

    # Authlib wants some response type; without an authorization endpoint there is none (RFC 8414 section 2).
    assert "authorization_endpoint" not in metadata
    assert metadata.pop("response_types_supported") == []
    metadata.REGISTRY_KEYS = [key for key in metadata.REGISTRY_KEYS if key != "response_types_supported"]
    metadata.validate()


def test_every_endpoint_of_the_metadata_answers(server: Server) -> None:
    metadata = requests.get(f"{server.url}/.well-known/oauth-authorization-server", timeout=10).json()
    login = {"username": USERNAME, "password": PASSWORD}
    tokens = requests.post(metadata["token_endpoint"], data=login, timeout=30).json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    token = {"token": tokens["access_token"]}

    assert requests.get(metadata["jwks_uri"], timeout=10).json()["keys"]
    assert requests.get(metadata["userinfo_endpoint"], headers=bearer, timeout=10).status_code == 200
    basic = ("backend", server.secret)
    assert requests.post(metadata["introspection_endpoint"], token, auth=basic, timeout=10).json()["active"]
    assert requests.post(metadata["revocation_endpoint"], token | {"client_id": "web"}, timeout=10).json() == {}
    assert not requests.post(metadata["introspection_endpoint"], token, auth=basic, timeout=10).json()["active"]
