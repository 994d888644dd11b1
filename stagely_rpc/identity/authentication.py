"""Authenticates a call by its token, or by the client certificate of its connection."""

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
        """The connection of a call, as far as authentication needs it."""

        def auth_context(self) -> Any:  # noqa: ANN401 - typed differently by each version of gRPC's stubs
            """Return the authentication context that gRPC gives for the connection."""
            ...


_HEADER = "authorization"
_SCHEME = "bearer"


class Authenticator:
    """Determines which service calls."""

    def __init__(
        self, tokens: TokenVerifier | None, key_set: KeySet | None, certificates: CertificateCallers | None
    ) -> None:
        """Take the accepted kinds of credentials. With neither kind, authentication is off: any caller has full access.

        Args:
            tokens: verifies tokens; None if the server accepts no tokens.
            key_set: the key set that `tokens` uses, if any. It starts and stops with the authenticator.
            certificates: identifies callers by client certificate; None if the server requires no client certificates.
        """
        self._tokens = tokens
        self._key_set = key_set
        self._certificates = certificates

    @property
    def is_on(self) -> bool:
        """Whether callers must authenticate."""
        return self._tokens is not None or self._certificates is not None

    @property
    def accepts_certificates(self) -> bool:
        """Whether the server identifies callers by client certificate."""
        return self._certificates is not None

    async def start(self) -> None:
        """Start following changes of the key set and of the permissions file.

        Raises:
            KeySetError: the key set can't be read.
        """
        if self._key_set is not None:
            await self._key_set.start()
        if self._certificates is not None:
            self._certificates.start()

    async def stop(self) -> None:
        """Stop following changes."""
        if self._key_set is not None:
            await self._key_set.stop()
        if self._certificates is not None:
            self._certificates.stop()

    async def caller_of(self, metadata: Metadata, connection: Connection) -> Caller:
        """Return the calling service. If a call has a token and a certificate, the token decides.

        Args:
            metadata: the metadata of the call.
            connection: the connection of the call.

        Raises:
            UnauthenticatedError: the call has no valid credentials.
            UnavailableError: the key set that verifies the token could not be read.
        """
        if not self.is_on:
            return ANYONE
        token = _token_in(metadata)
        if token is not None and self._tokens is not None:
            return await self._tokens.verify(token)
        if token is not None:
            raise UnauthenticatedError(
                "tokens are not accepted: omit the authorization header", reason="TOKEN_NOT_TAKEN"
            )
        caller = self._certificates.caller_of(connection) if self._certificates is not None else None
        if caller is None:
            raise UnauthenticatedError("a token is required: authorization: Bearer <token>", reason="TOKEN_MISSING")
        return caller

    def valid_until(self, metadata: Metadata, connection: Connection) -> float | None:
        """Return when the credentials of an authenticated call expire, in seconds since 1970; None if unknown."""
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
        raise UnauthenticatedError(
            "there must be exactly one authorization header: Bearer <token>", reason="TOKEN_MALFORMED"
        )
    return token.strip()
