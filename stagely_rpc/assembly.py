"""The parts of a server that the settings choose and shape."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from stagely_rpc.crypto.derivation import derived
from stagely_rpc.db.engine import Database, PoolLimits
from stagely_rpc.db.once import Answers
from stagely_rpc.identity.authentication import Authenticator
from stagely_rpc.identity.callers import CertificateCallers
from stagely_rpc.identity.certificates import ServerCertificates
from stagely_rpc.identity.jwks import KeySet
from stagely_rpc.identity.tokens import TokenVerifier
from stagely_rpc.wire.paging import PageTokens

if TYPE_CHECKING:
    from stagely_rpc.settings import Settings


def database(settings: Settings) -> Database:
    """Return the database; nothing connects yet."""
    limits = PoolLimits(
        size=settings.database_pool_size,
        idle=settings.database_pool_idle,
        lifetime_seconds=settings.database_pool_lifetime_seconds,
        wait_seconds=settings.database_pool_wait_seconds,
    )
    answers = Answers(_derived_key(settings, b"answers"), settings.idempotency_ttl_seconds)
    return Database(settings.database_url.get_secret_value(), limits, answers)


def page_tokens(settings: Settings) -> PageTokens:
    """Return what makes page tokens that every replica takes."""
    return PageTokens(_derived_key(settings, b"page tokens"))


def server_certificates(settings: Settings) -> ServerCertificates | None:
    """Return the certificates of the port; None if it is plain.

    Raises:
        CertificateError: they can't be used.
    """
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return ServerCertificates(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def authenticator(settings: Settings) -> Authenticator:
    """Return what finds out who calls.

    Raises:
        PermissionsError: the permissions file can't be used.
    """
    key_set = KeySet(settings.jwt_jwks) if settings.jwt_jwks else None
    certificates = CertificateCallers(settings.permissions_file) if settings.tls_client_ca_file else None
    return Authenticator(_tokens(settings, key_set), key_set, certificates)


def _tokens(settings: Settings, key_set: KeySet | None) -> TokenVerifier | None:
    if not settings.jwt_secrets and key_set is None:
        return None
    return TokenVerifier(
        secrets=settings.jwt_secrets, key_set=key_set, issuer=settings.jwt_issuer, audience=settings.jwt_audience
    )


def _derived_key(settings: Settings, purpose: bytes) -> bytes:
    """Return a key of its own for a purpose, the same on every replica: derived from the encryption key.

    Without an encryption key, which production has, it is random: page tokens and kept answers end with the process.
    """
    secret = settings.encryption_key_bytes
    if secret is None:
        return secrets.token_bytes(32)
    return derived(secret, purpose)
