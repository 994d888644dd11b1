"""Callers that show a certificate, with the permissions that a file gives their identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.call import Caller, Permissions
from stagely_rpc.identity.peers import identity_of
from stagely_rpc.identity.permissions import PermissionsError, load_permissions
from stagely_rpc.identity.reloading import LOOK_EVERY_SECONDS, Reloading, Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from typing import Protocol

    class Peer(Protocol):
        """What a call knows of the connection that it came on."""

        def auth_context(self) -> Mapping[str, Iterable[bytes]]:
            """Return what gRPC verified."""
            ...


_NONE = Permissions(frozenset())


class CertificateCallers:
    """Knows callers by their certificates, and what each may do, by a file that is followed as it changes."""

    def __init__(self, permissions_file: Path | None, *, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
        """Read the file.

        Args:
            permissions_file: the permissions of each identity; without one, nobody has any.
            look_every_seconds: how often the file is looked at.

        Raises:
            PermissionsError: it can't be used.
        """
        self._held = Reloading[dict[str, Permissions]](
            [permissions_file] if permissions_file else [],
            lambda: load_permissions(permissions_file) if permissions_file else {},
            fault=PermissionsError,
            what="permissions",
        )
        self._watch = Watch(self._held.look, every_seconds=look_every_seconds, name="permissions")

    def caller_of(self, context: Peer) -> Caller | None:
        """Return who calls, by the certificate of the connection. Who is not in the file may do nothing.

        Args:
            context: of the call.

        Returns:
            The caller; None if it showed no certificate.

        Raises:
            UnauthenticatedError: the certificate has no valid identity.
        """
        identity = identity_of(context.auth_context())
        return None if identity is None else Caller(identity, self._held.value.get(identity, _NONE))

    def start(self) -> None:
        """Follow the file from now on."""
        self._watch.start()

    def stop(self) -> None:
        """Follow it no more."""
        self._watch.stop()
