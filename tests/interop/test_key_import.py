"""Private keys from elsewhere: what the `openssl` command made is imported, promoted and signs, and everybody verifies
it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from conftest import QUICK, Server, import_file, run, running_server
from forgeries import tampered
from joserfc.jwk import ECKey, import_key
from openssl import ED25519, P_256, PASSPHRASE, RSA, encrypted_pkcs8, genpkey, openssl, public_half, verifies
from verifiers import JWKS, published, wait_for_token_of


@dataclass(frozen=True)
class Recipe:
    """How a private key file is made, and imported."""

    algorithm: str
    make: Callable[[Path], object]
    passphrase_by: str | None = None


def pkcs8(*kind: str) -> Callable[[Path], object]:
    return lambda file: genpkey(file, *kind)


def pkcs1(file: Path) -> None:
    openssl("genrsa", "-traditional", "-out", file, "2048")


def sec1(file: Path) -> None:
    """With a block of parameters in front of the key."""
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", file)


RECIPES = {
    "RSA in PKCS#8": Recipe("RS256", pkcs8(*RSA)),
    "RSA in PKCS#8 for PSS": Recipe("PS256", pkcs8(*RSA)),
    "RSA in PKCS#1": Recipe("RS256", pkcs1),
    "RSA encrypted, passphrase in a file": Recipe("RS256", encrypted_pkcs8(*RSA), "file"),
    "RSA encrypted, passphrase on standard input": Recipe("RS256", encrypted_pkcs8(*RSA), "standard input"),
    "P-256 in PKCS#8": Recipe("ES256", pkcs8(*P_256)),
    "P-256 in SEC 1": Recipe("ES256", sec1),
    "Ed25519 in PKCS#8": Recipe("EdDSA", pkcs8(*ED25519)),
}
# What the files begin with, so that a test cannot pass on a file of another kind than it says.
LABELS = {"PKCS#1": "RSA PRIVATE KEY", "SEC 1": "EC PARAMETERS", "encrypted": "ENCRYPTED PRIVATE KEY"}


@dataclass(frozen=True)
class Imported:
    """A key that was imported and signs now, and a token that it signed."""

    server: Server
    algorithm: str
    file: Path
    kid: str
    replaced: str
    pem: bytes
    jwk: dict[str, Any]
    token: str
    user: str


def exported_pem(server: Server, key: str) -> bytes:
    done = server.cli("keys", "export", key, "--public", "--pem", text=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def exported_jwk(server: Server, key: str) -> dict[str, Any]:
    done = server.cli("keys", "export", key, "--public", "--jwk")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def import_and_promote(name: str, running: ExitStack) -> Imported:
    recipe = RECIPES[name]
    server = running.enter_context(running_server(CHANCERY__KEYS__ALGORITHM=recipe.algorithm, **QUICK))
    file, passphrase = server.folder / "key.pem", server.folder / "passphrase"
    recipe.make(file)
    label = next((label for part, label in LABELS.items() if part in name), "PRIVATE KEY")
    assert file.read_text().startswith(f"-----BEGIN {label}-----\n")

    if recipe.passphrase_by == "file":
        passphrase.write_text(PASSPHRASE + "\n")
        answer = import_file(server, file, "--password-file", passphrase)
    elif recipe.passphrase_by == "standard input":
        answer = import_file(server, file, "--password-stdin", input=PASSPHRASE + "\n")
    else:
        answer = import_file(server, file)

    assert answer["algorithm"] == recipe.algorithm
    key = answer["kid"]
    assert server.rotate_when_safe() == key
    return Imported(
        server=server,
        algorithm=recipe.algorithm,
        file=file,
        kid=key,
        replaced=answer["replaced"],
        pem=exported_pem(server, key),
        jwk=exported_jwk(server, key),
        token=wait_for_token_of(server, key),
        user=server.create("users", "show", "ada")["id"],
    )


@pytest.fixture(scope="module")
def imports() -> Iterator[dict[str, Future[Imported]]]:
    """All of them at the same time, because most of it is waiting."""
    stacks = [ExitStack() for _ in RECIPES]
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        yield {name: pool.submit(import_and_promote, name, stack) for name, stack in zip(RECIPES, stacks, strict=True)}
        list(pool.map(ExitStack.close, stacks))


@pytest.fixture(scope="module", params=RECIPES)
def imported(request: pytest.FixtureRequest, imports: dict[str, Future[Imported]]) -> Imported:
    return imports[request.param].result()


def test_an_imported_key_signs_once_it_is_safe(imported: Imported) -> None:
    header = jwt.get_unverified_header(imported.token)
    assert header == {"typ": "at+jwt", "alg": imported.algorithm, "kid": imported.kid}
    [active] = imported.server.keys("active")
    assert (active["kid"], active["promoted_by"]) == (imported.kid, "command")


def test_the_key_that_it_replaced_is_gone_from_the_jwks(imported: Imported) -> None:
    by_kid = {key["kid"]: key for key in json.loads(published(imported.server))["keys"]}
    assert imported.kid in by_kid
    assert imported.replaced not in by_kid
    [replaced] = [key for key in imported.server.keys("retired") if key["kid"] == imported.replaced]
    assert replaced["activated_at"] is None


def test_the_exported_pem_is_byte_for_byte_what_openssl_derives_from_the_file(imported: Imported) -> None:
    assert imported.pem == public_half(imported.file, "-passin", f"pass:{PASSPHRASE}")


def test_the_exported_jwk_is_the_published_one_and_says_the_same_as_the_pem(imported: Imported) -> None:
    assert imported.jwk in json.loads(published(imported.server))["keys"]
    key = import_key(imported.jwk)
    assert key.as_pem(private=False) == imported.pem
    assert key.thumbprint() == imported.kid


def test_pyjwt_verifies_against_the_jwks_the_pem_and_the_jwk(imported: Imported) -> None:
    client = jwt.PyJWKClient(imported.server.url + JWKS)
    for key in (client.get_signing_key_from_jwt(imported.token), imported.pem, jwt.PyJWK(imported.jwk)):
        issuer = imported.server.url
        claims = jwt.decode(imported.token, key, algorithms=[imported.algorithm], issuer=issuer, audience=issuer)
        assert claims["sub"] == imported.user


def test_jose_verifies_against_the_jwks_the_pem_and_the_jwk(imported: Imported) -> None:
    question = {
        "token": imported.token,
        "algorithm": imported.algorithm,
        "issuer": imported.server.url,
        "jwks": imported.server.url + JWKS,
        "pem": imported.pem.decode(),
        "jwk": imported.jwk,
    }
    done = run("node", Path(__file__).with_name("exported_key.mjs"), input=json.dumps(question))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(["jwks", "pem", "jwk"], imported.user)


def test_the_openssl_command_verifies_against_the_pem(imported: Imported, folder: Path) -> None:
    assert verifies(folder, imported.algorithm, imported.token, imported.pem)
    forged = tampered(imported.server, imported.token)
    assert not verifies(folder, imported.algorithm, forged, imported.pem)


def with_windows_line_ends(file: Path) -> None:
    genpkey(file, *P_256)
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))


def behind_its_certificate(file: Path) -> None:
    """As HAProxy and others want it."""
    key, certificate = genpkey(file.with_name("alone.pem"), *P_256), file.with_name("certificate.pem")
    openssl("req", "-x509", "-key", key, "-subj", "/CN=example.com", "-out", certificate)
    file.write_bytes(certificate.read_bytes() + key.read_bytes())


def without_its_public_half(file: Path) -> None:
    """Which it may leave out: RFC 5915 section 3."""
    key = genpkey(file.with_name("whole.pem"), *P_256)
    openssl("ec", "-in", key, "-no_public", "-out", file)
    assert len(file.read_bytes()) < len(key.read_bytes()) - 64


def with_a_coordinate_that_begins_with_zeros(file: Path) -> None:
    """The JWK must have them, too (RFC 7518 section 6.2.1.2)."""
    while not (key := ECKey.generate_key("P-256")).as_dict(private=False)["x"].startswith("AA"):
        pass
    file.write_bytes(key.as_pem(private=True))


FORMS = [
    with_windows_line_ends,
    behind_its_certificate,
    without_its_public_half,
    with_a_coordinate_that_begins_with_zeros,
]


@pytest.mark.parametrize("form", FORMS)
def test_a_key_may_come_in_other_forms(es256: Server, folder: Path, form: Callable[[Path], None]) -> None:
    file = folder / "key.pem"
    form(file)

    key = import_file(es256, file)["kid"]

    pem = public_half(file)
    assert exported_pem(es256, key) == pem
    assert import_key(exported_jwk(es256, key)).as_pem(private=False) == pem


@pytest.mark.parametrize("beginning", ["-", "--", "-h"])
def test_a_kid_may_begin_like_an_option(es256: Server, folder: Path, beginning: str) -> None:
    while not (made := ECKey.generate_key("P-256")).thumbprint().startswith(beginning):
        pass
    key, file = made.thumbprint(), folder / "key.pem"
    file.write_bytes(made.as_pem(private=True))

    assert import_file(es256, file)["kid"] == key

    for words in ([key, "--public", "--pem"], ["--public", "--pem", key], ["--public", "--pem", "--", key]):
        exported = es256.cli("keys", "export", *words, text=False)
        assert (exported.returncode, exported.stdout) == (0, made.as_pem(private=False)), exported
    assert exported_jwk(es256, key)["kid"] == key
    assert es256.create("keys", "revoke", key)["revoked"] == key
    [revoked] = [one for one in es256.keys("revoked") if one["kid"] == key]
    assert revoked["revoked_at"]
