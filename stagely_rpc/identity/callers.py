"""Callers that present a client certificate. A file gives each identity its permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.call import Caller, Permissions
from stagely_rpc.identity.peers import identity_of
from stagely_rpc.identity.permissions import PermissionsError, load_permissions
from stagely_rpc.identity.reloading import CHECK_INTERVAL_SECONDS, ReloadedValue, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Protocol

    class Peer(Protocol):
        """The connection of a call."""

        def auth_context(self) -> Mapping[str, Iterable[bytes]]:
            """Return the peer properties that gRPC verified."""
            ...


_NONE = Permissions(frozenset())


class CertificateCallers:
    """Maps client certificates to callers with their permissions. Reloads the permissions file when it changes."""

    def __init__(
        self, permissions_file: Path | None, *, check_interval_seconds: float = CHECK_INTERVAL_SECONDS
    ) -> None:
        """Read the file.

        Args:
            permissions_file: the permissions of each identity. Without a file, no identity has permissions.
            check_interval_seconds: how often the file is checked for changes.

        Raises:
            PermissionsError: the file can't be used.
        """
        self._permissions = ReloadedValue[dict[str, Permissions]](
            [permissions_file] if permissions_file else [],
            lambda: load_permissions(permissions_file) if permissions_file else {},
            load_error=PermissionsError,
            name="permissions",
        )
        self._watcher = Watcher(self._permissions.check, interval_seconds=check_interval_seconds, name="permissions")

    def caller_of(self, context: Peer) -> Caller | None:
        """Return the caller, identified by its certificate. An identity that is not in the file has no permissions.

        Args:
            context: the connection of the call.

        Returns:
            The caller; None if it presented no certificate.

        Raises:
            UnauthenticatedError: the certificate has no valid identity.
        """
        identity = identity_of(context.auth_context())
        return None if identity is None else Caller(identity, self._permissions.value.get(identity, _NONE))

    def start(self) -> None:
        """Start following changes of the file."""
        self._watcher.start()

    def stop(self) -> None:
        """Stop following changes."""
        self._watcher.stop()
