"""The `openssl` command: it makes keys, and verifies signatures."""

import base64
from collections.abc import Callable
from pathlib import Path

from conftest import run
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

# What `genpkey` makes.
RSA = ("RSA", "-pkeyopt", "rsa_keygen_bits:2048")
P_256 = ("EC", "-pkeyopt", "ec_paramgen_curve:P-256")
ED25519 = ("ED25519",)

PASSPHRASE = "wörd of an earlier keeper "  # the blank at its end is part of it


def openssl(*arguments: str | Path) -> bytes:
    """Runs it with success; what it prints."""
    done = run("openssl", *arguments, text=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def genpkey(file: Path, *kind: str | Path) -> Path:
    """A new private key in a file: PKCS#8."""
    openssl("genpkey", "-algorithm", *kind, "-out", file)
    return file


def encrypted_pkcs8(*kind: str) -> Callable[[Path], object]:
    return lambda file: genpkey(file, *kind, "-aes256", "-pass", f"pass:{PASSPHRASE}")


def public_half(file: Path, *arguments: str | Path) -> bytes:
    """The public half of a private key, as PEM."""
    return openssl("pkey", "-in", file, "-pubout", *arguments)


def verifies(folder: Path, algorithm: str, token: str, pem: bytes) -> bool:
    """Whether the command finds the token's signature good."""
    signed, encoded = token.rsplit(".", 1)
    signature = base64.urlsafe_b64decode(encoded + "==")
    if algorithm == "ES256":  # r and s in a row in a JWS (RFC 7518 section 3.4), an ASN.1 sequence elsewhere
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        signature = encode_dss_signature(r, s)
    files = [folder / name for name in ("signed", "signature", "public.pem")]
    for file, content in zip(files, (signed.encode(), signature, pem), strict=True):
        file.write_bytes(content)
    data, signature_file, key = files
    verify: list[str | Path]
    if algorithm == "EdDSA":
        verify = ["pkeyutl", "-verify", "-pubin", "-inkey", key, "-rawin", "-in", data, "-sigfile", signature_file]
    else:
        verify = ["dgst", "-sha256", "-verify", key, "-signature", signature_file, data]
    if algorithm == "PS256":  # the salt is as long as the digest (RFC 7518 section 3.5)
        options = ["rsa_padding_mode:pss", "rsa_pss_saltlen:digest", "rsa_mgf1_md:sha256"]
        verify[2:2] = [word for option in options for word in ("-sigopt", option)]
    done = run("openssl", *verify)
    verdict = "Signature Verified Successfully" if algorithm == "EdDSA" else "Verified OK"
    assert (done.returncode == 0) == (verdict in done.stdout), done
    return done.returncode == 0
