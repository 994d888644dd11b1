"""Certificates and keys as their files hold them, checked as far as gRPC would not say what is wrong with them."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stagely_rpc.identity.reloading import contents_of

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CERT_FILE, KEY_FILE, CLIENT_CA_FILE = "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"

_MIN_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class CertificateError(Exception):
    """A certificate can't be used: one line that names the setting, the file and the fault, and nothing of the key."""

    def __init__(self, setting: str, file: Path, fault: str) -> None:
        super().__init__(f"{setting}: {file}: {fault}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The server's certificate, its chain and its private key.

    Attributes:
        certificate: of the server.
        chain: it and those that issued it, in PEM.
        key: its private key, in PEM.
    """

    certificate: x509.Certificate
    chain: bytes
    key: bytes = field(repr=False)


def load_key_pair(cert_file: Path, key_file: Path) -> KeyPair:
    """Read a certificate and its key.

    Raises:
        CertificateError: one of them can't be read, the certificate is not valid now, its key is of a kind that gRPC
            clients don't accept, or the two do not belong together.
    """
    chain = _certificates(CERT_FILE, cert_file)
    _check_dates(chain[0], cert_file)
    _check_kind_of_key(chain[0], cert_file)
    key = _private_key(key_file)
    if key.public_key() != chain[0].public_key():
        raise CertificateError(KEY_FILE, key_file, f"is not the key of the certificate in {CERT_FILE} ({cert_file})")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(chain[0], _pem(chain), pem)


def load_authorities(file: Path) -> bytes:
    """Read the certificates of the authorities that clients' certificates must come from.

    Raises:
        CertificateError: they can't be read, or there are none.
    """
    return _pem(_certificates(CLIENT_CA_FILE, file))


def _certificates(setting: str, file: Path) -> list[x509.Certificate]:
    pem = _contents(setting, file)
    # The parser would leave out what is cut off, and with it an authority.
    if b"-----" in _BLOCK.sub(b"", pem):
        raise CertificateError(setting, file, "is incomplete: a PEM block has no beginning or no end")
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise CertificateError(setting, file, "holds no certificate in PEM, or one that can't be parsed") from None


def _private_key(file: Path) -> PrivateKeyTypes:
    pem = _contents(KEY_FILE, file)
    try:
        # The validation that is skipped, of RSA primes, would hold up every call for a third of a second. That the key
        # is the certificate's is checked, and the file is the operator's own.
        return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise CertificateError(KEY_FILE, file, "is encrypted: it has to be without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(KEY_FILE, file, "holds no private key in PEM, or one that can't be parsed") from None


def _contents(setting: str, file: Path) -> bytes:
    try:
        contents = contents_of(file)
    except OSError as error:
        raise CertificateError(setting, file, (error.strerror or type(error).__name__).lower()) from None
    if not contents.strip():
        raise CertificateError(setting, file, "is empty")
    return contents


def _check_dates(certificate: x509.Certificate, file: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    if now < certificate.not_valid_before_utc:
        raise CertificateError(CERT_FILE, file, f"is not valid before {certificate.not_valid_before_utc:%FT%TZ}")
    if now > certificate.not_valid_after_utc:
        raise CertificateError(CERT_FILE, file, f"expired at {certificate.not_valid_after_utc:%FT%TZ}")


def _check_kind_of_key(certificate: x509.Certificate, file: Path) -> None:
    # With any other kind gRPC starts without a word, and each handshake fails.
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    good = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not good:
        raise CertificateError(
            CERT_FILE, file, "must be for an RSA key of at least 2048 bits, or one on P-256 or P-384"
        )


def _pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
