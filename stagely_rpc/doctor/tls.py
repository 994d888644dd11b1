"""Check of TLS to the database: whether an attacker on the network can read the traffic or impersonate the server."""

from __future__ import annotations

import datetime as dt
import re
import socket
import ssl
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509

from stagely_rpc.doctor.findings import ok, warn
from stagely_rpc.doctor.postgres import value
from stagely_rpc.identity.certificates import expires_soon

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

_VERIFIED = {
    "verify-ca": "the server's certificate is verified, but not its name",
    "verify-full": "the server's certificate and name are verified",
}
_RENEW = "renew the certificate, and reload PostgreSQL"
_VERIFY = "set sslmode=verify-full and sslrootcert in DATABASE_URL"
# Behind a pooler, PostgreSQL sees the pooler's connection instead; the pid then differs.
_PROTOCOL = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND pid = {}"

_UNTRUSTED = re.compile(
    r'server at "(?P<host>[^"]+)"(?: \((?P<address>[^)]+)\))?, port (?P<port>\d+) failed: SSL error: certificate verify'
)
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_TIMEOUT_SECONDS = 5.0


def encryption(connection: psycopg.Connection, _: Settings) -> Outcome:
    """Check that no attacker on the network can read the traffic or impersonate the server."""
    info = connection.info
    if info.host.startswith(("/", "@")):
        return ok("not needed: a Unix socket")
    if not connection.pgconn.ssl_in_use:
        return (
            ok("not needed: on this host") if _is_loopback(info.hostaddr) else warn("no TLS over the network", _VERIFY)
        )
    protocol = value(connection, _PROTOCOL.format(info.backend_pid)) or "on"
    mode = _effective_mode(info.get_parameters())
    if mode not in _VERIFIED:
        return warn(f"{protocol}, and the server's certificate is not verified ({mode})", _VERIFY)
    return _with_expiry(f"{protocol}, and {_VERIFIED[mode]} ({mode})", _certificate_of(info.hostaddr, info.port))


def _with_expiry(found: str, certificate: x509.Certificate | None) -> Outcome:
    if certificate is None or not expires_soon(certificate):
        return ok(found)
    return warn(f"{found}, valid until {certificate.not_valid_after_utc:%FT%TZ}", _RENEW)


def _effective_mode(parameters: Mapping[str, str]) -> str:
    """Return the sslmode that libpq applies. With a root certificate, libpq treats `require` as `verify-ca`."""
    root = parameters.get("sslrootcert")
    mode = parameters.get("sslmode", "verify-full" if root == "system" else "prefer")
    return "verify-ca" if mode == "require" and root else mode


def _is_loopback(address: str) -> bool:
    return bool(address) and ip_address(address).is_loopback


def distrust(reason: str) -> tuple[str, str] | None:
    """Return why libpq distrusts a certificate, and what to do. libpq itself does not report the cause.

    Args:
        reason: libpq's error message.

    Returns:
        None if the error has another cause, or if the server now presents no certificate.
    """
    refused = _UNTRUSTED.search(reason)
    if refused is None:
        return None
    shown = _certificate_of(refused["address"] or refused["host"], int(refused["port"]))
    return None if shown is None else _reason_for_distrust(shown)


def _reason_for_distrust(certificate: x509.Certificate) -> tuple[str, str]:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = dt.datetime.now(dt.UTC)
    if ends <= now:
        return f"the server's certificate expired at {ends:%FT%TZ}", _RENEW
    if begins > now:
        return f"the server's certificate is not valid before {begins:%FT%TZ}", "synchronise the clocks with NTP"
    issuer = " ".join(certificate.issuer.rfc4514_string().split())
    return (
        f"the server's certificate was issued by {issuer}",
        "set sslrootcert in DATABASE_URL to the issuer's certificate",
    )


def _certificate_of(host: str, port: int) -> x509.Certificate | None:
    """Return the certificate that a PostgreSQL server presents. It is only inspected, not trusted."""
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    with suppress(OSError, ValueError), socket.create_connection((host, port), _TIMEOUT_SECONDS) as plain:
        plain.sendall(_SSL_REQUEST)
        if plain.recv(1) == b"S":
            with unverified.wrap_socket(plain) as encrypted:
                return x509.load_der_x509_certificate(encrypted.getpeercert(binary_form=True) or b"")
    return None
