"""Checks of the TLS files and the permissions file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor.findings import fail, ok, warn
from stagely_rpc.identity.certificates import expires_soon
from stagely_rpc.identity.pem import CertificateError, load_authorities, load_key_pair
from stagely_rpc.identity.permissions import PermissionsError, load_permissions

if TYPE_CHECKING:
    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings


def certificate(settings: Settings) -> Outcome:
    """Check that the port's certificate is valid, and for how long."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return ok("none: the port has no TLS")
    try:
        pair = load_key_pair(settings.tls_cert_file, settings.tls_key_file)
    except CertificateError as error:
        return fail(str(error), "replace the file; the service reloads it")
    found = f"valid until {pair.certificate.not_valid_after_utc:%FT%TZ}"
    if expires_soon(pair.certificate):
        return warn(found, "renew it; the service reloads the file")
    return ok(found)


def client_authorities(settings: Settings) -> Outcome:
    """Check that the authorities of client certificates can be read."""
    if settings.tls_client_ca_file is None:
        return ok("none: callers present no certificate")
    try:
        load_authorities(settings.tls_client_ca_file)
    except CertificateError as error:
        return fail(str(error), "replace the file; the service reloads it")
    return ok(f"{settings.tls_client_ca_file} is valid")


def permissions_file(settings: Settings) -> Outcome:
    """Check that the permissions file can be used."""
    if settings.permissions_file is None:
        return ok("none")
    try:
        permissions = load_permissions(settings.permissions_file)
    except PermissionsError as error:
        return fail(str(error), "fix the file; the service reloads it")
    return ok(f"{settings.permissions_file} names {len(permissions)} identities")
