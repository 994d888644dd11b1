"""Admission of calls, and repeated admission of open streams."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Protocol

from stagely_rpc import access
from stagely_rpc.errors import InvalidArgumentError, UnauthenticatedError
from stagely_rpc.fields import UUID_FORM
from stagely_rpc.interceptors.metadata import USER_ID_HEADER, values_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagely_rpc.call import Call, Caller, Metadata, Policy
    from stagely_rpc.db.database import Database
    from stagely_rpc.wire.context import Context

    class Authenticator(Protocol):
        """Authenticates callers."""

        async def caller_of(self, metadata: Metadata, connection: Context) -> Caller:
            """Return the calling service, from the call's metadata or its connection.

            Raises:
                UnauthenticatedError: the call has no valid credentials.
            """
            ...

        def valid_until(self, metadata: Metadata, connection: Context) -> float | None:
            """Return when the caller's credentials expire, in seconds since 1970; None if unknown."""
            ...


class Admission:
    """Decides whether calls are admitted, by their callers and by the policies of the contract."""

    def __init__(self, authenticator: Authenticator, db: Database, clock: Callable[[], float] = time.time) -> None:
        """Take the sources of the decisions.

        Args:
            authenticator: authenticates callers.
            db: the database with users and roles.
            clock: returns the time in seconds since 1970.
        """
        self._authenticator = authenticator
        self._db = db
        self._clock = clock

    async def admit(self, call: Call, policy: Policy | None, context: Context) -> None:
        """Admit a call. Set its policy and its caller.

        Raises:
            UnauthenticatedError: the call has no valid credentials.
            PermissionDeniedError: the caller may not call this method.
        """
        call.policy = policy
        call.caller = await self._authenticator.caller_of(call.metadata, context)
        call.caller = await access.admit(self._db, call, _acting_user_id(call.metadata))

    async def admit_again(self, call: Call, context: Context) -> None:
        """Admit an open stream again.

        Raises:
            UnauthenticatedError: the credentials have expired, or are no longer trusted.
            PermissionDeniedError: the caller or its acting user has lost access.
        """
        caller = await self._authenticator.caller_of(call.metadata, context)
        if self.seconds_valid(call, context) <= 0:
            raise UnauthenticatedError("the client certificate has expired", reason="CERTIFICATE_EXPIRED")
        call.caller = await access.admit_again(self._db, call, caller, _acting_user_id(call.metadata))

    def seconds_valid(self, call: Call, context: Context) -> float:
        """Return for how many seconds the caller's credentials are still valid; infinity if unknown."""
        valid_until = self._authenticator.valid_until(call.metadata, context)
        return float("inf") if valid_until is None else valid_until - self._clock()


def _acting_user_id(metadata: Metadata) -> uuid.UUID | None:
    given = values_of(USER_ID_HEADER, metadata)
    if not given:
        return None
    if len(given) > 1 or not UUID_FORM.fullmatch(given[0]):
        raise InvalidArgumentError.of(USER_ID_HEADER, "must be the UUID of one user")
    return uuid.UUID(given[0])
