"""A service whose users log in at Chancery. It takes their access tokens from the Authorization header, or from the HttpOnly
cookie that Chancery sets, and verifies them offline: Chancery is asked for its public keys alone."""

import os
from pathlib import Path
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from verify import verify

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8080")  # as it stands in the tokens, and so for the next
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")
ORIGIN = os.environ.get("ORIGIN", "http://127.0.0.1:8000")  # of the pages that may use the cookie
ACCESS_COOKIE = os.environ.get("ACCESS_COOKIE", "access_token")  # over https: __Secure-access_token

app = FastAPI()
keys = jwt.PyJWKClient(JWKS_URL)
in_header = HTTPBearer(auto_error=False)
in_cookie = APIKeyCookie(name=ACCESS_COOKIE, auto_error=False)


def user(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(in_header)],
    cookie: Annotated[str | None, Depends(in_cookie)],
) -> dict[str, Any]:
    """The claims of whoever is calling. A plain function, so that FastAPI runs it in a thread: it may fetch keys."""
    if bearer is None and cookie is not None:
        check_origin(request)
    token = bearer.credentials if bearer else cookie
    if token is None:
        raise HTTPException(401, "not logged in", {"WWW-Authenticate": "Bearer"})
    try:
        return verify(keys, token, ISSUER, AUDIENCE)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "the issuer's keys could not be fetched") from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, "not logged in", {"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error


def check_origin(request: Request) -> None:
    """A browser adds the cookie to whatever any page sends here, a stranger's form, too, but names that page's origin.
    Nobody can have it send an Authorization header."""
    is_read = request.method in ("GET", "HEAD", "OPTIONS")
    if not is_read and request.headers.get("Origin") != ORIGIN:
        raise HTTPException(403, "the request does not come from our page")


User = Annotated[dict[str, Any], Depends(user)]


class Note(BaseModel):
    text: str


notes: dict[str, list[str]] = {}


@app.get("/notes")
def read_notes(user: User) -> list[str]:
    return notes.get(user["sub"], [])


@app.post("/notes", status_code=201)
def add_note(user: User, note: Note) -> None:
    notes.setdefault(user["sub"], []).append(note.text)


# The page.

HERE = Path(__file__).parent


@app.get("/", include_in_schema=False)
def page() -> FileResponse:
    return FileResponse(HERE / "page.html")


@app.get("/session.js", include_in_schema=False)
def session_js() -> FileResponse:
    return FileResponse(HERE.parent / "spa" / "session.js")
