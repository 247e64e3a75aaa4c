"""Tokens that no verifier may accept, each made of a good one."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from conftest import Server
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from verifiers import JWKS

Forge = Callable[[Server, str], str]


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def foreign_key(algorithm: str) -> Any:
    """A new private key of the kind that the algorithm wants."""
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def with_header(token: str, **changes: str) -> str:
    """The same claims and signature under another header."""
    header = jwt.get_unverified_header(token) | changes
    return ".".join([encode(json.dumps(header).encode()), *token.split(".")[1:]])


def tampered(server: Server, token: str) -> str:
    """More scope than was granted."""
    header, _, signature = token.split(".")
    claims = claims_of(token) | {"scope": "admin"}
    return f"{header}.{encode(json.dumps(claims).encode())}.{signature}"


def signed_by_a_foreign_key(server: Server, token: str) -> str:
    """Right in everything, the key id too, but for the key."""
    header = jwt.get_unverified_header(token)
    return jwt.encode(claims_of(token), foreign_key(header["alg"]), header["alg"], headers=header)


def naming_an_unknown_key(server: Server, token: str) -> str:
    algorithm = jwt.get_unverified_header(token)["alg"]
    headers = {"typ": "at+jwt", "kid": "unknown"}
    return jwt.encode(claims_of(token), foreign_key(algorithm), algorithm, headers=headers)


def naming_another_algorithm(server: Server, token: str) -> str:
    """One that verifiers allow, but not the key's own."""
    own = jwt.get_unverified_header(token)["alg"]
    others = {"RS256": "PS256", "PS256": "RS256", "ES256": "EdDSA", "EdDSA": "ES256"}
    return with_header(token, alg=others[own])


def unsigned(server: Server, token: str) -> str:
    header, claims, _ = with_header(token, alg="none").split(".")
    return f"{header}.{claims}."


def signed_with_zeros(server: Server, token: str) -> str:
    """What careless verifiers of ECDSA take from anybody."""
    header, claims, signature = token.split(".")
    zeros = bytes(len(base64.urlsafe_b64decode(signature + "==")))
    return f"{header}.{claims}.{encode(zeros)}"


def signed_with_the_public_key_as_a_secret(server: Server, token: str) -> str:
    key = jwt.PyJWKClient(server.url + JWKS).get_signing_key_from_jwt(token).key
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = with_header(token, alg="HS256").rsplit(".", 1)[0]
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


FORGERIES: list[Forge] = [
    tampered,
    signed_by_a_foreign_key,
    naming_an_unknown_key,
    naming_another_algorithm,
    unsigned,
    signed_with_zeros,
    signed_with_the_public_key_as_a_secret,
]

forge = pytest.mark.parametrize("forge", FORGERIES)
