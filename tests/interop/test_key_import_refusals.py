"""Private keys that cannot be used, or not again: refused with one line, and nothing is changed."""

import base64
import re
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from conftest import Server, import_file, wait_until
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from forgeries import claims_of
from joserfc.jwk import ECKey
from openssl import ED25519, P_256, PASSPHRASE, RSA, encrypted_pkcs8, genpkey, openssl, public_half
from verifiers import EXAMPLES, assert_refused, published, verified, verify


def assert_refused_without_a_change(
    server: Server, before: list[dict[str, Any]], done: subprocess.CompletedProcess[str], code: int, line: str
) -> None:
    """The exit code, one line that matches, and the ring as it was."""
    assert (done.returncode, done.stdout) == (code, ""), done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.fullmatch(line, done.stderr.strip()), done.stderr
    assert server.ring() == before


def rsa_1024(file: Path) -> None:
    genpkey(file, "RSA", "-pkeyopt", "rsa_keygen_bits:1024")


def p_384(file: Path) -> None:
    genpkey(file, "EC", "-pkeyopt", "ec_paramgen_curve:P-384")


def p_384_in_sec1(file: Path) -> None:
    openssl("ecparam", "-name", "secp384r1", "-genkey", "-out", file)


def secp256k1(file: Path) -> None:
    """As long as P-256, and another curve."""
    genpkey(file, "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1")


def rsa_pss(file: Path) -> None:
    genpkey(file, "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048")


def x25519(file: Path) -> None:
    genpkey(file, "X25519")


def rsa(file: Path) -> None:
    genpkey(file, *RSA)


def p_256(file: Path) -> None:
    genpkey(file, *P_256)


def ed25519(file: Path) -> None:
    genpkey(file, *ED25519)


def encrypted_the_old_way(file: Path) -> None:
    openssl("genrsa", "-traditional", "-aes256", "-passout", f"pass:{PASSPHRASE}", "-out", file, "2048")


def certificate(file: Path) -> None:
    key = genpkey(file.with_name("key.pem"), *RSA)
    openssl("req", "-x509", "-key", key, "-subj", "/CN=example.com", "-out", file)


def public_key(file: Path) -> None:
    file.write_bytes(public_half(genpkey(file.with_name("key.pem"), *RSA)))


def truncated(file: Path) -> None:
    rsa(file)
    file.write_bytes(file.read_bytes()[:-200])


def with_lines_missing(file: Path) -> None:
    rsa(file)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:10] + lines[-1:]))


def of_two_keys(file: Path) -> None:
    """With the public half of another: it stands at the end."""
    one, other = (ECKey.generate_key("P-256").as_der(private=True) for _ in range(2))
    mixed = textwrap.wrap(base64.b64encode(one[:-64] + other[-64:]).decode(), 64)
    file.write_text("\n".join(["-----BEGIN PRIVATE KEY-----", *mixed, "-----END PRIVATE KEY-----", ""]))


def of_der(base64_text: str) -> Callable[[Path], object]:
    lines = ["-----BEGIN PRIVATE KEY-----", *textwrap.wrap(base64_text, 64), "-----END PRIVATE KEY-----", ""]
    return lambda file: file.write_text("\n".join(lines))


# P-256 in PKCS#8: with the scalar 0, and with the point at infinity as its public half.
SCALAR_ZERO = "MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="
AT_INFINITY = "MEcCAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcELTArAgEBBCBmeMv/1uU633I438A7PoITSBQL/BW3RzGFv/zjSCt1/KEEAwIAAA=="


def with_a_tiny_prime(file: Path) -> None:
    """Whose modulus anybody factors."""
    p, q, e = 3, int(openssl("prime", "-generate", "-bits", "2047")), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), RSAPublicNumbers(e, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def costly(file: Path) -> None:
    genpkey(file.with_name("plain.pem"), *RSA)
    rounds = ["-v2", "aes-256-cbc", "-iter", "10000001", "-passout", "pass:x"]
    openssl("pkcs8", "-topk8", "-in", file.with_name("plain.pem"), "-out", file, *rounds)


def empty(file: Path) -> None:
    file.touch()


def missing(file: Path) -> None:
    assert not file.exists()


def der(file: Path) -> None:
    openssl("genpkey", "-algorithm", *RSA, "-outform", "DER", "-out", file)


def too_large(file: Path) -> None:
    rsa(file)
    file.write_bytes(b"\n" * 100_000 + file.read_bytes())


UNUSABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("RS256", rsa_1024, "1024 bits"),
    ("ES256", p_384, "not on P-256"),
    ("ES256", p_384_in_sec1, "not on P-256"),
    ("ES256", secp256k1, "not on P-256"),
    ("PS256", rsa_pss, "RSA-PSS alone"),
    ("EdDSA", x25519, "another kind"),
    ("RS256", p_256, "a key for ES256, and"),
    ("PS256", ed25519, "a key for EdDSA, and"),
    ("ES256", rsa, "a key for RS256 or PS256, and"),
    ("EdDSA", p_256, "a key for ES256, and"),
    ("RS256", encrypted_the_old_way, "openssl pkcs8 -topk8"),
    ("RS256", certificate, "no PEM private key"),
    ("RS256", public_key, "no PEM private key"),
    ("RS256", truncated, "cut short"),
    ("RS256", with_lines_missing, "incomplete"),
    ("ES256", of_two_keys, "elliptic-curve key"),
    ("ES256", of_der(SCALAR_ZERO), "elliptic-curve key"),
    ("ES256", of_der(AT_INFINITY), "elliptic-curve key"),
    ("RS256", with_a_tiny_prime, "not sound"),
    ("RS256", empty, "no PEM private key"),
    ("RS256", missing, "No such file"),
    ("RS256", der, "no PEM private key"),
    ("RS256", too_large, "too large"),
]


@pytest.mark.parametrize(("algorithm", "make", "says"), UNUSABLE)
def test_a_file_without_a_usable_key_is_refused(
    server_of: Callable[[str], Server], folder: Path, algorithm: str, make: Callable[[Path], object], says: str
) -> None:
    server, file = server_of(algorithm), folder / "unusable.pem"
    make(file)
    before = server.ring()

    refused = server.cli("keys", "import", file)

    line = f"chancery: {re.escape(str(file))}: .*{re.escape(says)}.*"
    assert_refused_without_a_change(server, before, refused, 2, line)


def test_a_wrong_passphrase_is_refused(server: Server, folder: Path) -> None:
    file, before = folder / "key.pem", server.ring()
    encrypted_pkcs8(*RSA)(file)

    for wrong in (PASSPHRASE.strip(), ""):
        refused = server.cli("keys", "import", file, "--password-stdin", input=wrong + "\n")
        line = f"chancery: {re.escape(str(file))}: the passphrase is wrong, or the file is damaged"
        assert_refused_without_a_change(server, before, refused, 2, line)


def test_a_file_that_takes_for_ever_to_decrypt_is_refused_at_once(server: Server, folder: Path) -> None:
    file, before = folder / "key.pem", server.ring()
    costly(file)

    refused = server.cli("keys", "import", file, "--password-stdin", input="x\n")

    assert_refused_without_a_change(server, before, refused, 2, "chancery: .*costs too much to undo.*")


def test_a_passphrase_that_nobody_can_be_asked_for_is_refused(server: Server, folder: Path) -> None:
    file, before = folder / "key.pem", server.ring()
    encrypted_pkcs8(*RSA)(file)

    refused = server.cli("keys", "import", file, stdin=subprocess.DEVNULL)

    assert_refused_without_a_change(server, before, refused, 2, "chancery: .*--password-stdin or --password-file")


def test_a_key_that_is_in_the_ring_already_is_refused_whatever_became_of_it(es256: Server, folder: Path) -> None:
    file = genpkey(folder / "key.pem", *P_256)
    key = import_file(es256, file)["kid"]

    def assert_refused_as(state: str) -> None:
        before = es256.ring()
        assert [one["state"] for one in before if one["kid"] == key] == [state]
        line = f"chancery: key {key} is in the ring already, {state}"
        assert_refused_without_a_change(es256, before, es256.cli("keys", "import", file), 4, line)

    assert_refused_as("next")
    assert es256.create("keys", "rotate", "--force")["active"] == key
    assert_refused_as("active")
    assert es256.create("keys", "rotate", "--force")["retired"] == key
    assert_refused_as("retired")
    es256.create("keys", "revoke", key)
    assert_refused_as("revoked")
    es256.create("keys", "purge")
    assert_refused_as("revoked")


def test_a_key_signs_with_one_algorithm_alone(start_server: Callable[..., Server], folder: Path) -> None:
    """A next key is published already: who has it can sign, and this test has it."""
    server = start_server(CHANCERY__KEYS__ALGORITHM="PS256")
    file = genpkey(folder / "key.pem", *RSA)
    key = import_file(server, file)["kid"]
    wait_until(lambda: key in published(server).decode(), "the imported key is published")
    claims, private = claims_of(server.token()["access_token"]), load_pem_private_key(file.read_bytes(), None)
    good, bad = (jwt.encode(claims, private, one, {"typ": "at+jwt", "kid": key}) for one in ("PS256", "RS256"))

    assert server.accepts(good)
    assert not server.accepts(bad)
    for example in EXAMPLES:
        assert verified(example, server, good)["sub"] == claims["sub"]
        assert_refused(verify(example, server, bad))

    # Nor can it come back for another one.
    server.restart(CHANCERY__KEYS__ALGORITHM="RS256")
    before = server.ring()
    line = f"chancery: key {key} is in the ring already, retired"
    assert_refused_without_a_change(server, before, server.cli("keys", "import", file), 4, line)
