"""Reads the metadata and the peer of a call."""

from __future__ import annotations

import random
import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from stagely_rpc.call import Metadata

REQUEST_ID_HEADER = "x-request-id"
USER_ID_HEADER = "x-stagely-user-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
_IP_PEER = re.compile(r"ipv[46]:(?:\[(?P<bracketed>[^]]+)\]|(?P<plain>[^:]+)):\d+")
# The bits of version and variant in a UUID of version 4 (RFC 9562).
_RANDOM_BITS = ~(0xF << 76 | 0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


def request_id_from(metadata: Metadata) -> str:
    """Return the caller's request id, or a new one if it is missing or could break a log line."""
    for key, value in metadata:
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return _new_request_id()


def _new_request_id() -> str:
    """Return a UUID of version 4, in a quarter of the time of `uuid4`."""
    # Not a secret: it must be unique, and may be predictable.
    text = f"{random.getrandbits(128) & _RANDOM_BITS | _VERSION_4:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def values_of(header: str, metadata: Metadata) -> list[str]:
    """Return every text value of a header."""
    return [value for key, value in metadata if key == header and isinstance(value, str)]


# Cached, because a peer is a connection that makes many calls.
@lru_cache(maxsize=4096)
def ip_of(peer: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address of a peer: `ipv4:192.0.2.1:443` or `ipv6:%5B2001:db8::1%5D:443`; None for `unix:…`."""
    found = _IP_PEER.fullmatch(unquote(peer))
    if found is None:
        return None
    address, _, _ = (found["bracketed"] or found["plain"]).partition("%")
    try:
        return ip_address(address)
    except ValueError:
        return None
