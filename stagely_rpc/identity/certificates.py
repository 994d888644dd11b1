"""TLS on the server: its certificate and the client certificate authorities, reloaded when their files change."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog

from stagely_rpc.identity.pem import CertificateError, KeyPair, load_authorities, load_key_pair
from stagely_rpc.identity.reloading import CHECK_INTERVAL_SECONDS, ReloadedValue, Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

WARN_BEFORE = dt.timedelta(days=14)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tls:
    """The input of a handshake: one consistent version of the files."""

    pair: KeyPair
    authorities: bytes | None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.pair.key, self.pair.chain)], self.authorities)


class ServerCertificates:
    """The server's certificate, and the authorities that must have issued its clients' certificates.

    The files are checked for changes once a second. New connections use the last valid version. Open connections
    continue.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        client_ca_file: Path | None = None,
        *,
        check_interval_seconds: float = CHECK_INTERVAL_SECONDS,
    ) -> None:
        """Read the files.

        Args:
            cert_file: the certificate and its chain, in PEM.
            key_file: its private key, in PEM.
            client_ca_file: authorities, in PEM. If set, a client must present a certificate that one of them issued.
            check_interval_seconds: how often the files are checked for changes.

        Raises:
            CertificateError: a file can't be used.
        """
        self._cert_file = cert_file
        self._requires_clients = client_ca_file is not None
        self._tls = ReloadedValue(
            [file for file in (cert_file, key_file, client_ca_file) if file],
            lambda: _Tls(
                load_key_pair(cert_file, key_file), load_authorities(client_ca_file) if client_ca_file else None
            ),
            load_error=CertificateError,
            name="certificates",
        )
        self._watcher = Watcher(self._check, interval_seconds=check_interval_seconds, name="certificates")
        self._last_warning: tuple[x509.Certificate, str] | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return the credentials for a TLS port. They follow the files."""
        current = self._tls.value

        def newer_configuration() -> grpc.ServerCertificateConfiguration | None:
            # gRPC calls this at each handshake, on its own threads, so it must not read files.
            nonlocal current
            if current is self._tls.value:
                return None
            current = self._tls.value
            return current.configuration()

        return grpc.dynamic_ssl_server_credentials(
            current.configuration(),
            newer_configuration,  # type: ignore[arg-type]  # None means no change
            require_client_authentication=self._requires_clients,
        )

    def start(self) -> None:
        """Start following changes of the files."""
        self._warn_of_expiry()
        self._watcher.start()

    def stop(self) -> None:
        """Stop following changes."""
        self._watcher.stop()

    def _check(self) -> None:
        self._tls.check()
        self._warn_of_expiry()

    def _warn_of_expiry(self) -> None:
        """Log once for each certificate that it expires soon, and once that it has expired."""
        certificate = self._tls.value.pair.certificate
        state = _state_of(certificate)
        if state and (certificate, state) != self._last_warning:
            not_valid_after = certificate.not_valid_after_utc.isoformat()
            _log.warning(state, file=str(self._cert_file), not_valid_after=not_valid_after)
        self._last_warning = (certificate, state)


def expires_soon(certificate: x509.Certificate) -> bool:
    """Return whether less than 14 days are left, or less than a third of the lifetime if that is shorter."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return _left(certificate) < min(WARN_BEFORE, lifetime / 3)


def _state_of(certificate: x509.Certificate) -> str:
    """Return the warning about the expiry of a certificate; empty if there is nothing to warn about."""
    if _left(certificate) <= dt.timedelta():
        return "the certificate has expired"
    return "the certificate expires soon" if expires_soon(certificate) else ""


def _left(certificate: x509.Certificate) -> dt.timedelta:
    return certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
