"""Certificates for tests: a test authority, and valid and invalid certificates from it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

DAY = dt.timedelta(days=1)
YEAR = 365 * DAY
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class Certificate:
    """A certificate with its private key."""

    x509: x509.Certificate
    private_key: CertificateIssuerPrivateKeyTypes

    @property
    def pem(self) -> bytes:
        return self.x509.public_bytes(Encoding.PEM)

    @property
    def key(self) -> bytes:
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def serial(self) -> int:
        return self.x509.serial_number


@dataclass(frozen=True)
class Files:
    """The paths of a server's certificate, its key and its client authorities."""

    cert: Path
    key: Path
    client_ca: Path

    def write(self, server: Certificate) -> None:
        replace(self.cert, server.pem)
        replace(self.key, server.key)


def replace(file: Path, contents: bytes) -> None:
    """Replace a file atomically."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(contents)
    fresh.rename(file)


def uri(value: str) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(value)


def dns(value: str) -> x509.DNSName:
    return x509.DNSName(value)


def make_authority(name: str = "authority") -> Certificate:
    return make_certificate(None, common_name=name, is_authority=True)


def make_server_certificate(authority: Certificate, **given: Any) -> Certificate:
    return make_certificate(authority, dns("localhost"), common_name="stagely", **given)


def make_certificate(
    authority: Certificate | None,
    *names: x509.GeneralName,
    common_name: str = "",
    private_key: CertificateIssuerPrivateKeyTypes | None = None,
    is_authority: bool = False,
    lifetime: tuple[dt.timedelta, dt.timedelta] = (-DAY, YEAR),
    usage: x509.ObjectIdentifier | None = None,
) -> Certificate:
    """Issue a certificate, self-signed without an authority. `lifetime` is its start and end relative to now."""
    private_key = private_key or ec.generate_private_key(ec.SECP256R1())
    signer = authority.private_key if authority else private_key
    now = dt.datetime.now(dt.UTC)
    subject = _name(common_name)
    builder = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=authority.x509.subject if authority else subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + lifetime[0])
        .not_valid_after(now + lifetime[1])
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        # RFC 5280 requires these, and Python from 3.13 on checks them.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private_key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if is_authority:
        builder = builder.add_extension(_SIGNS_CERTIFICATES, critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common_name)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Certificate(builder.sign(signer, _hash_for(signer)), private_key)


def channel_credentials(authority: Certificate, client: Certificate | None = None) -> grpc.ChannelCredentials:
    """Return the credentials of a client that trusts an authority and presents a certificate, if it has one."""
    if client is None:
        return grpc.ssl_channel_credentials(authority.pem)
    return grpc.ssl_channel_credentials(authority.pem, client.key, client.pem)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _hash_for(signer: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | None:
    return None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
