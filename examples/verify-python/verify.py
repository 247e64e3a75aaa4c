"""Verifies an access token offline: against the issuer's public keys, without asking the issuer about the token."""

import argparse
import json
import sys
from typing import Any

import jwt

# What Chancery may sign with, no HS256 among them: the public key would be its secret.
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]


def verify(keys: jwt.PyJWKClient, token: str, issuer: str, audience: str) -> dict[str, Any]:
    """The claims of a good token. A service calls this with one PyJWKClient for its whole life: that caches the keys,
    and fetches them again only when it meets an unknown one or they are old."""
    key = keys.get_signing_key_from_jwt(token)
    # The issuer's JWK names the algorithm, never the token's header (RFC 8725 section 3.1).
    if key.algorithm_name not in ALGORITHMS:
        raise jwt.InvalidAlgorithmError(f"the key is for {key.algorithm_name}, which is not allowed")
    decoded = jwt.decode_complete(
        token,
        key,
        algorithms=[key.algorithm_name],
        issuer=issuer,
        audience=audience,
        options={"require": ["exp", "iat", "sub", "client_id", "jti"]},
    )
    # Other kinds of token that the same keys may sign are no access tokens (RFC 9068 section 4).
    if str(decoded["header"].get("typ")).lower() not in ("at+jwt", "application/at+jwt"):
        raise jwt.InvalidTokenError("typ is not at+jwt")
    return decoded["payload"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Verify an access token offline and print its claims.")
    parser.add_argument("issuer", help="the issuer's URL, exactly as it stands in the tokens")
    parser.add_argument("token", nargs="?", help="the token; read from standard input if not given")
    parser.add_argument("--audience", help="whom the token must be meant for; the issuer if not given")
    arguments = parser.parse_args()

    issuer: str = arguments.issuer
    token: str = (arguments.token or sys.stdin.read()).strip()
    try:
        keys = jwt.PyJWKClient(f"{issuer.rstrip('/')}/.well-known/jwks.json")
        claims = verify(keys, token, issuer, arguments.audience or issuer)
    except jwt.PyJWTError as error:  # wrong token, or the keys could not be fetched
        sys.exit(f"refused: {error}")
    print(json.dumps(claims, indent=2))


if __name__ == "__main__":
    main()
