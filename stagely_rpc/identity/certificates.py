"""The server's side of TLS: its certificate and the authorities of its clients, which follow their files."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog

from stagely_rpc.identity.pem import CertificateError, KeyPair, load_authorities, load_key_pair
from stagely_rpc.identity.reloading import LOOK_EVERY_SECONDS, Reloading, Watch

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

WARN_BEFORE = dt.timedelta(days=14)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Tls:
    """All that a handshake needs, as the files had it at one time."""

    pair: KeyPair
    authorities: bytes | None

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(self.pair.key, self.pair.chain)], self.authorities)


class ServerCertificates:
    """The certificate that the server shows, and the authorities that its clients' certificates come from.

    The files are looked at once a second. New connections get what was good in them last; those that there are live on.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        client_ca_file: Path | None = None,
        *,
        look_every_seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        """Read the files.

        Args:
            cert_file: the certificate and its chain, in PEM.
            key_file: its private key, in PEM.
            client_ca_file: authorities, in PEM. With it, a client must show a certificate that one of them issued.
            look_every_seconds: how often the files are looked at.

        Raises:
            CertificateError: they can't be used.
        """
        self._cert_file = cert_file
        self._requires_clients = client_ca_file is not None
        self._tls = Reloading(
            [file for file in (cert_file, key_file, client_ca_file) if file],
            lambda: _Tls(
                load_key_pair(cert_file, key_file), load_authorities(client_ca_file) if client_ca_file else None
            ),
            fault=CertificateError,
            what="certificates",
        )
        self._watch = Watch(self._look, every_seconds=look_every_seconds, name="certificates")
        self._told: tuple[x509.Certificate, str] | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """Return what a port needs to be secure."""
        handed_over = self._tls.value

        def newer() -> grpc.ServerCertificateConfiguration | None:
            # gRPC asks at each handshake, and on its own threads: no disk is touched here.
            nonlocal handed_over
            if handed_over is self._tls.value:
                return None
            handed_over = self._tls.value
            return handed_over.configuration()

        return grpc.dynamic_ssl_server_credentials(
            handed_over.configuration(),
            newer,  # type: ignore[arg-type]  # None means no change
            require_client_authentication=self._requires_clients,
        )

    def start(self) -> None:
        """Follow the files from now on."""
        self._tell_of_the_end()
        self._watch.start()

    def stop(self) -> None:
        """Follow them no more."""
        self._watch.stop()

    def _look(self) -> None:
        self._tls.look()
        self._tell_of_the_end()

    def _tell_of_the_end(self) -> None:
        """Log, once for each certificate, that it ends soon, and that it has."""
        certificate = self._tls.value.pair.certificate
        state = _state_of(certificate)
        if state and (certificate, state) != self._told:
            end = certificate.not_valid_after_utc.isoformat()
            _log.warning(state, file=str(self._cert_file), not_valid_after=end)
        self._told = (certificate, state)


def near_its_end(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate ends soon, or has. One that lives for hours always does: late is its last third."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return _left(certificate) < min(WARN_BEFORE, lifetime / 3)


def _state_of(certificate: x509.Certificate) -> str:
    """Return what is to be said of a certificate, if it is near its end."""
    if _left(certificate) <= dt.timedelta():
        return "the certificate has expired"
    return "the certificate expires soon" if near_its_end(certificate) else ""


def _left(certificate: x509.Certificate) -> dt.timedelta:
    return certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
