"""Certificates and keys in PEM files, with the checks that gRPC does not do or does not report."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from stagely_rpc.identity.reloading import read_regular_file

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CERT_FILE, KEY_FILE, CLIENT_CA_FILE = "TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"

_MIN_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class CertificateError(Exception):
    """A certificate or key can't be used. The message is one line: setting, file and fault, without key material."""

    def __init__(self, setting: str, file: Path, fault: str) -> None:
        super().__init__(f"{setting}: {file}: {fault}")


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The server's certificate, its chain and its private key.

    Attributes:
        certificate: the server's certificate.
        chain: the certificate followed by its issuers, in PEM.
        key: the private key, in PEM.
    """

    certificate: x509.Certificate
    chain: bytes
    key: bytes = field(repr=False)


def load_key_pair(cert_file: Path, key_file: Path) -> KeyPair:
    """Read a certificate and its key.

    Raises:
        CertificateError: a file can't be read, the certificate is not valid now, gRPC clients don't accept its key
            type, or the key does not match the certificate.
    """
    chain = _certificates(CERT_FILE, cert_file)
    _check_dates(chain[0], cert_file)
    _check_key_type(chain[0], cert_file)
    key = _private_key(key_file)
    if key.public_key() != chain[0].public_key():
        raise CertificateError(KEY_FILE, key_file, f"is not the key of the certificate in {CERT_FILE} ({cert_file})")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(chain[0], _pem(chain), pem)


def load_authorities(file: Path) -> bytes:
    """Read the authorities that must have issued the clients' certificates. Return them in PEM.

    Raises:
        CertificateError: the file can't be read, or has no certificate.
    """
    return _pem(_certificates(CLIENT_CA_FILE, file))


def _certificates(setting: str, file: Path) -> list[x509.Certificate]:
    pem = _contents(setting, file)
    # The parser would silently skip a truncated block, and so lose an authority.
    if b"-----" in _BLOCK.sub(b"", pem):
        raise CertificateError(setting, file, "is incomplete: a PEM block has no BEGIN or no END line")
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, x509.InvalidVersion):
        raise CertificateError(setting, file, "has no certificate in PEM, or one that can't be parsed") from None


def _private_key(file: Path) -> PrivateKeyTypes:
    pem = _contents(KEY_FILE, file)
    try:
        # The validation of RSA primes would block every call for a third of a second. It is not needed: the file
        # belongs to the operator, and the key must match the certificate.
        return load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise CertificateError(KEY_FILE, file, "is encrypted: it must have no password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(KEY_FILE, file, "has no private key in PEM, or one that can't be parsed") from None


def _contents(setting: str, file: Path) -> bytes:
    try:
        contents = read_regular_file(file)
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


def _check_key_type(certificate: x509.Certificate, file: Path) -> None:
    # With any other key type gRPC starts without an error, and then each handshake fails.
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    is_accepted = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    )
    if not is_accepted:
        raise CertificateError(CERT_FILE, file, "must have an RSA key of at least 2048 bits, or a P-256 or P-384 key")


def _pem(certificates: list[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
