"""Whether a call is admitted, and whether an open stream still is."""

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
        """Finds out who calls."""

        async def caller_of(self, metadata: Metadata, connection: Context) -> Caller:
            """Return the calling service, by a call's metadata or by the connection that it came on.

            Raises:
                UnauthenticatedError: it has not shown who it is.
            """
            ...

        def valid_until(self, metadata: Metadata, connection: Context) -> float | None:
            """Return when what the caller has shown expires, in seconds since 1970; None if that is not known."""
            ...


class Admission:
    """Decides about calls by who makes them, and by the policies of the contract."""

    def __init__(self, authenticator: Authenticator, db: Database, clock: Callable[[], float] = time.time) -> None:
        """Take what decisions are made by.

        Args:
            authenticator: finds out who calls.
            db: where users and their roles are.
            clock: returns the time in seconds since 1970.
        """
        self._authenticator = authenticator
        self._db = db
        self._clock = clock

    async def admit(self, call: Call, policy: Policy | None, context: Context) -> None:
        """Decide whether a call may begin; the call knows its policy and its caller from then on.

        Raises:
            UnauthenticatedError: the caller has not shown who it is.
            PermissionDeniedError: the caller may not call this method.
        """
        call.policy = policy
        call.caller = await self._authenticator.caller_of(call.metadata, context)
        call.caller = await access.admit(self._db, call, _acting_user_id(call.metadata))

    async def admit_again(self, call: Call, context: Context) -> None:
        """Decide whether an open stream may go on.

        Raises:
            UnauthenticatedError: what the caller has shown has expired, or is no longer trusted.
            PermissionDeniedError: the caller, or the user that it acts for, may no longer have the stream.
        """
        caller = await self._authenticator.caller_of(call.metadata, context)
        if self.seconds_valid(call, context) <= 0:
            raise UnauthenticatedError("the client certificate has expired", reason="CERTIFICATE_EXPIRED")
        call.caller = await access.admit_again(self._db, call, caller, _acting_user_id(call.metadata))

    def seconds_valid(self, call: Call, context: Context) -> float:
        """Return for how long what the caller has shown is valid; infinity if that is not known."""
        valid_until = self._authenticator.valid_until(call.metadata, context)
        return float("inf") if valid_until is None else valid_until - self._clock()


def _acting_user_id(metadata: Metadata) -> uuid.UUID | None:
    given = values_of(USER_ID_HEADER, metadata)
    if not given:
        return None
    if len(given) > 1 or not UUID_FORM.fullmatch(given[0]):
        raise InvalidArgumentError.of(USER_ID_HEADER, "must be the UUID of one user")
    return uuid.UUID(given[0])
