"""Page requests and page tokens (AIP-158).

A token is base64url(cursor ‖ HMAC-SHA-256 truncated to 128 bits). The MAC also covers the request without its page
fields, so a token is valid only for the RPC and the filters that it was created for.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from stagely_rpc.db.paging import Cursor, Page
from stagely_rpc.errors import InvalidArgumentError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    class PageRequest(Message, Protocol):  # type: ignore[misc]
        """A request of a List RPC."""

        page_size: int
        page_token: str


DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 500

_CURSOR = struct.Struct(">q16s")
_MAC_BYTES = 16
_TOKEN_CHARACTERS = 56
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class PageTokens:
    """Creates and verifies page tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def page(self, request: PageRequest) -> Page:
        """Return the page that a list request selects.

        Raises:
            InvalidArgumentError: the size is negative, or the token is invalid or belongs to another request.
        """
        if request.page_size < 0:
            raise InvalidArgumentError.of("page_size", "must not be negative")
        size = min(request.page_size, MAX_PAGE_SIZE) or DEFAULT_PAGE_SIZE
        return Page(size=size, after=self._open(request) if request.page_token else None)

    def next_page_token(self, request: PageRequest, last: Cursor | None) -> str:
        """Return the token of the page after a row. None, for the last page, gives the empty token."""
        if last is None:
            return ""
        cursor = _CURSOR.pack((last.created_at - _EPOCH) // _MICROSECOND, last.id.bytes)
        return _text(cursor + self._mac(request, cursor))

    def _open(self, request: PageRequest) -> Cursor:
        refusal = InvalidArgumentError.of(
            "page_token", "is not a token of this call with these filters", reason="PAGE_TOKEN_INVALID"
        )
        if len(request.page_token) > _TOKEN_CHARACTERS:
            raise refusal
        try:
            sealed = base64.b64decode(
                request.page_token + "=" * (-len(request.page_token) % 4), altchars=b"-_", validate=True
            )
        except (binascii.Error, ValueError) as error:
            raise refusal from error
        cursor, mac = sealed[: _CURSOR.size], sealed[_CURSOR.size :]
        # Decoding ignores the last bits of the last character, so four texts decode to one token. Only one is valid.
        if _text(sealed) != request.page_token or not hmac.compare_digest(mac, self._mac(request, cursor)):
            raise refusal
        microseconds, row_id = _CURSOR.unpack(cursor)
        return Cursor(created_at=_EPOCH + microseconds * _MICROSECOND, id=uuid.UUID(bytes=row_id))

    def _mac(self, request: PageRequest, cursor: bytes) -> bytes:
        filters = type(request)()
        filters.CopyFrom(request)
        filters.ClearField("page_size")
        filters.ClearField("page_token")
        scope = request.DESCRIPTOR.full_name.encode() + b"\0" + cursor + filters.SerializeToString(deterministic=True)
        return hmac.digest(self._key, scope, "sha256")[:_MAC_BYTES]


def _text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")
