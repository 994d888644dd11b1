"""The supported versions of PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg import ConnectionInfo

OLDEST_MAJOR = 14
_OF_A_MAJOR = 10_000


def version_of(server: ConnectionInfo) -> str:
    """Return the version of a server, without the suffix of a distribution."""
    return str(server.parameter_status("server_version")).split()[0]


def why_too_old(server: ConnectionInfo) -> str | None:
    """Return why a server is not supported, as one line; None if it is supported."""
    if server.server_version >= OLDEST_MAJOR * _OF_A_MAJOR:
        return None
    return f"PostgreSQL {version_of(server)} is too old: {OLDEST_MAJOR} or newer is needed"
