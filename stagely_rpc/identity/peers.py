"""The identity in a client certificate that gRPC has verified."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.x509.oid import NameOID

from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.permissions import is_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PARSE_ERRORS = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_CERTIFICATE = "x509_pem_cert"
_TRUST_DOMAIN = r"[a-z0-9._-]{1,255}"
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+"
_SPIFFE_ID = re.compile(rf"spiffe://{_TRUST_DOMAIN}(?:/{_SEGMENT})+")

Extension = TypeVar("Extension", bound=x509.ExtensionType)


def identity_of(auth_context: Mapping[str, Iterable[bytes]]) -> str | None:
    """Return the identity of a client: the SPIFFE ID, else the first DNS name, else the common name of its certificate.

    Args:
        auth_context: gRPC's authentication context of the call.

    Returns:
        The identity; None if the client presented no certificate.

    Raises:
        UnauthenticatedError: the certificate has no identity, or an invalid one.
    """
    for pem in auth_context.get(_CERTIFICATE, ()):
        return _identity_in(pem)
    return None


def expiry_of(auth_context: Mapping[str, Iterable[bytes]]) -> float | None:
    """Return when the certificate of a client expires, in seconds since 1970; None if it presented no certificate."""
    for pem in auth_context.get(_CERTIFICATE, ()):
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()
    return None


# gRPC's own `peer_uri`, `peer_dns` and `x509_common_name` end at the first NUL: a certificate for
# `spiffe://stagely.dev/reaper\0/mine` would authenticate as the reaper. So this module parses the certificate itself.
# The result is cached, because parsing costs more than all other steps.
@lru_cache(maxsize=1024)
def _identity_in(pem: bytes) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        uris, dns_names = _alternative_names(certificate)
        common_names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        is_authority = _is_authority(certificate)
    except _PARSE_ERRORS as error:
        raise _invalid("can't be parsed") from error
    if uris:
        return _checked_spiffe_id(uris, is_authority=is_authority)
    return _checked_name([*dns_names, *(str(name.value) for name in common_names)])


def _alternative_names(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return [], []
    return names.get_values_for_type(x509.UniformResourceIdentifier), names.get_values_for_type(x509.DNSName)


def _is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate may sign others. Such a certificate can't identify a client (X509-SVID, 5.2)."""
    constraints = _extension(certificate, x509.BasicConstraints)
    usage = _extension(certificate, x509.KeyUsage)
    return bool(constraints and constraints.ca) or bool(usage and (usage.key_cert_sign or usage.crl_sign))


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _checked_spiffe_id(uris: list[str], *, is_authority: bool) -> str:
    if len(uris) > 1:
        raise _invalid("has more than one URI, so it is not an X509-SVID")
    if is_authority:
        raise _invalid("belongs to a certificate authority and can't identify a client")
    if not _SPIFFE_ID.fullmatch(uris[0]):
        raise _invalid("has a URI that is not a SPIFFE ID of a workload")
    return _checked_name(uris)


def _checked_name(names: list[str]) -> str:
    if not names:
        raise _invalid("has no identity: no SPIFFE ID, no DNS name and no common name")
    if not is_identity(names[0]):
        raise _invalid("has a name that is not 1 to 200 printable characters")
    return names[0]


def _invalid(problem: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"the client certificate {problem}", reason="CERTIFICATE_IDENTITY_INVALID")
