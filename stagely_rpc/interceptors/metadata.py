"""What comes with a call beside its request: its metadata and its peer, as gRPC gives them."""

from __future__ import annotations

import re
import uuid
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

    Context = grpc.aio.ServicerContext[Any, Any]
    Metadata = Iterable[tuple[str, str | bytes]] | None

REQUEST_ID_HEADER = "x-request-id"
USER_ID_HEADER = "x-stagely-user-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
_IP_PEER = re.compile(r"ipv[46]:(?:\[(?P<bracketed>[^]]+)\]|(?P<plain>[^:]+)):\d+")


def request_id_from(metadata: Metadata) -> str:
    """Take the caller's request id, or make one: what could break a log line is not taken."""
    for key, value in metadata or ():
        if key == REQUEST_ID_HEADER and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return str(uuid.uuid4())


def values_of(header: str, metadata: Metadata) -> list[str]:
    """Return every value of a header that is text."""
    return [value for key, value in metadata or () if key == header and isinstance(value, str)]


def ip_of(peer: str) -> IPv4Address | IPv6Address | None:
    """Return the address of a peer as gRPC writes it: `ipv4:192.0.2.1:443`, `ipv6:%5B2001:db8::1%5D:443`, `unix:…`."""
    found = _IP_PEER.fullmatch(unquote(peer))
    if found is None:
        return None
    address, _, _ = (found["bracketed"] or found["plain"]).partition("%")
    try:
        return ip_address(address)
    except ValueError:
        return None
