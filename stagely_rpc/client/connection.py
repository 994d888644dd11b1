"""Connects to a target, and returns a client with a method for every RPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import grpc

from stagely_rpc.client import channels
from stagely_rpc.client.calls import Calls
from stagely_rpc.client.fetching import FetchedTokens, SyncFetchedTokens
from stagely_rpc.client.services import Services, SyncServices
from stagely_rpc.client.sync_calls import SyncCalls
from stagely_rpc.client.tokens import FixedToken, NoToken, TokenFile

if TYPE_CHECKING:
    import os
    import uuid
    from collections.abc import Callable
    from types import TracebackType

    from stagely_rpc.client.channels import Tls
    from stagely_rpc.client.fetching import SyncTokenFunction, TokenFunction

DEFAULT_TIMEOUT_SECONDS = 10.0


class Stagely(Services):
    """The async client. Each service of the contract is an attribute, and each RPC is a method of it."""

    def __init__(self, target: str, calls: Calls) -> None:
        super().__init__(calls)
        self._target = target

    def acting_for(self, user_id: str | uuid.UUID) -> Services:
        """Return a client that acts for a user. The caller needs the permission `users.impersonate`.

        Raises:
            ValueError: the id is not a UUID.
        """
        return Services(self._calls.acting_for(user_id))

    async def close(self) -> None:
        """Close the connection. Calls in progress are cancelled."""
        await self._calls.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r})"


class SyncStagely(SyncServices):
    """The sync client. Each service of the contract is an attribute, and each RPC is a method of it."""

    def __init__(self, target: str, calls: SyncCalls) -> None:
        super().__init__(calls)
        self._target = target

    def acting_for(self, user_id: str | uuid.UUID) -> SyncServices:
        """Return a client that acts for a user. The caller needs the permission `users.impersonate`.

        Raises:
            ValueError: the id is not a UUID.
        """
        return SyncServices(self._calls.acting_for(user_id))

    def close(self) -> None:
        """Close the connection. Calls in progress are cancelled."""
        self._calls.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._target!r})"


def connect(
    target: str,
    *,
    token: str | TokenFunction | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tls: bool | Tls = False,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    allow_plaintext_token: bool = False,
) -> Stagely:
    """Make a client, which connects when it first calls. It belongs to the event loop that runs when it is made.

    Args:
        target: in gRPC's syntax. `dns:///host:port` spreads the calls over all addresses of the host.
        token: the token; or a function, async or not, that returns a token. The function is called again before the
            token expires, and when the service refuses it.
        token_file: a file with the token. It is read again when it changes.
        tls: True uses gRPC's built-in authorities. A `Tls` gives other authorities and a client certificate.
        timeout: the time limit of a call with all its retries, in seconds. The `timeout` of a method overrides it.
        allow_plaintext_token: send the token without TLS to other hosts. Use it only if the network itself encrypts.

    Raises:
        OSError: a file can't be read.
        ValueError: a token is malformed, is given twice, or would be sent over the network in plaintext.
    """
    tokens = _tokens(token, token_file, FetchedTokens)
    credentials = channels.credentials(
        target=target, tls=tls, has_token=not isinstance(tokens, NoToken), allow_plaintext=allow_plaintext_token
    )
    channel = (
        grpc.aio.secure_channel(target, credentials, options=channels.options_for(target))
        if credentials
        else grpc.aio.insecure_channel(target, options=channels.options_for(target))
    )
    return Stagely(target, Calls(channel, tokens, timeout))


def connect_sync(
    target: str,
    *,
    token: str | SyncTokenFunction | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tls: bool | Tls = False,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    allow_plaintext_token: bool = False,
) -> SyncStagely:
    """Return a sync client, which any number of threads may use. It connects at its first call.

    The arguments and errors are those of `connect`, but a function that returns the token must not be async.
    """
    tokens = _tokens(token, token_file, SyncFetchedTokens)
    credentials = channels.credentials(
        target=target, tls=tls, has_token=not isinstance(tokens, NoToken), allow_plaintext=allow_plaintext_token
    )
    channel = (
        grpc.secure_channel(target, credentials, options=channels.options_for(target))
        if credentials
        else grpc.insecure_channel(target, options=channels.options_for(target))
    )
    return SyncStagely(target, SyncCalls(channel, tokens, timeout))


Fetch = TypeVar("Fetch")
Fetched = TypeVar("Fetched")


def _tokens(
    token: str | Fetch | None, token_file: str | os.PathLike[str] | None, fetched: Callable[[Fetch], Fetched]
) -> FixedToken | TokenFile | NoToken | Fetched:
    if token is not None and token_file is not None:
        raise ValueError("give either token or token_file")
    if token_file is not None:
        return TokenFile(token_file)
    if token is None:
        return NoToken()
    return FixedToken(token) if isinstance(token, str) else fetched(token)
