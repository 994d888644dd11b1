"""Who calls: by the token of the call, else by the certificate of the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stagely_rpc.call import ANYONE
from stagely_rpc.errors import UnauthenticatedError
from stagely_rpc.identity.peers import expiry_of

if TYPE_CHECKING:
    from stagely_rpc.call import Caller, Metadata
    from stagely_rpc.identity.callers import CertificateCallers
    from stagely_rpc.identity.jwks import KeySet
    from stagely_rpc.identity.tokens import TokenVerifier

    class Connection(Protocol):
        """What of the connection of a call is looked at."""

        def auth_context(self) -> Any:  # noqa: ANN401 - typed differently by each version of gRPC's stubs
            """Return what the connection shows."""
            ...


_HEADER = "authorization"
_SCHEME = "bearer"


class Authenticator:
    """Finds out which service calls."""

    def __init__(
        self, tokens: TokenVerifier | None, key_set: KeySet | None, certificates: CertificateCallers | None
    ) -> None:
        """Take the ways to show who one is.

        Args:
            tokens: verifies tokens; None if none are taken.
            key_set: by which it does, if by one.
            certificates: knows the callers by their certificates; None if none are asked for. Without either,
                authentication is off and whoever calls may do everything.
        """
        self._tokens = tokens
        self._key_set = key_set
        self._certificates = certificates

    @property
    def is_on(self) -> bool:
        """Whether callers must show who they are."""
        return self._tokens is not None or self._certificates is not None

    @property
    def takes_certificates(self) -> bool:
        """Whether callers show certificates."""
        return self._certificates is not None

    async def start(self) -> None:
        """Follow the changes of key set and permissions from now on.

        Raises:
            KeySetError: the key set can't be read.
        """
        if self._key_set is not None:
            await self._key_set.start()
        if self._certificates is not None:
            self._certificates.start()

    async def stop(self) -> None:
        """Follow them no more."""
        if self._key_set is not None:
            await self._key_set.stop()
        if self._certificates is not None:
            self._certificates.stop()

    async def caller_of(self, metadata: Metadata, connection: Connection) -> Caller:
        """Return the calling service. A token counts before a certificate: it says more.

        Args:
            metadata: of the call.
            connection: that it came on.

        Raises:
            UnauthenticatedError: the service has not shown who it is.
        """
        if not self.is_on:
            return ANYONE
        token = _token_in(metadata)
        if token is not None and self._tokens is not None:
            return await self._tokens.verify(token)
        if token is not None:
            raise UnauthenticatedError("tokens are not taken here: leave authorization out", reason="TOKEN_NOT_TAKEN")
        caller = self._certificates.caller_of(connection) if self._certificates is not None else None
        if caller is None:
            raise UnauthenticatedError("a token is required: authorization: Bearer <token>", reason="TOKEN_MISSING")
        return caller

    def valid_until(self, metadata: Metadata, connection: Connection) -> float | None:
        """Return when what an admitted caller has shown expires, in seconds since 1970; None if that is not known."""
        if not self.is_on:
            return None
        token = _token_in(metadata)
        if token is not None:
            return None if self._tokens is None else self._tokens.valid_until(token)
        return None if self._certificates is None else expiry_of(connection.auth_context())


def _token_in(metadata: Metadata) -> str | None:
    given = [value for key, value in metadata if key == _HEADER]
    if not given:
        return None
    scheme, _, token = given[0].partition(" ") if isinstance(given[0], str) else ("", "", "")
    if len(given) > 1 or scheme.lower() != _SCHEME or not token:
        raise UnauthenticatedError("authorization must be given once, as: Bearer <token>", reason="TOKEN_MALFORMED")
    return token.strip()
