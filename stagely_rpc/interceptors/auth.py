"""Who calls, and whether the call is admitted: decided before the request is even decoded."""

from __future__ import annotations

import inspect
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from stagely_rpc import access
from stagely_rpc.call import current_call
from stagely_rpc.db.trail import Entry
from stagely_rpc.errors import InvalidArgumentError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from stagely_rpc.inputs import UUID_FORM
from stagely_rpc.interceptors.metadata import USER_ID_HEADER, values_of
from stagely_rpc.interceptors.wrapping import AroundInterceptor, behavior_of, with_behavior

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from typing import Any

    import grpc

    from stagely_rpc.call import Call, Caller, Policy
    from stagely_rpc.db.engine import Database
    from stagely_rpc.interceptors.metadata import Context, Metadata

    class Authenticator(Protocol):
        """Finds out who calls."""

        async def caller_of(self, context: Context) -> Caller:
            """Return the calling service.

            Raises:
                UnauthenticatedError: it has not shown who it is.
            """
            ...

    class Denials(Protocol):
        """Records denials."""

        def note(self, entry: Entry) -> None:
            """Record a denial soon."""
            ...


class AuthInterceptor(AroundInterceptor):
    """Admits calls by the policies of the contract; health alone, and what is named open, is for everyone."""

    def __init__(
        self,
        authenticator: Authenticator,
        policies: Mapping[str, Policy],
        open_methods: Collection[str],
        db: Database,
        denials: Denials,
    ) -> None:
        """Take the policies.

        Args:
            authenticator: finds out who calls.
            policies: by the full names of methods. A method without one is denied to everyone.
            open_methods: full names of the methods that anyone may call.
            db: where users are.
            denials: records denials.
        """
        super().__init__()
        self._authenticator = authenticator
        self._policies = policies
        self._open_methods = frozenset(open_methods)
        self._db = db
        self._denials = denials

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Leave open methods as they are."""
        return handler if method in self._open_methods else super().wrap(method, _answering_if_decided(handler))

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Admit the call, and record a denial wherever it comes from."""
        call = current_call.get()
        call.policy = self._policies.get(method)
        try:
            call.caller = await self._authenticator.caller_of(context)
            call.caller = await access.admit(self._db, call, _acting_user_id(context.invocation_metadata()))
            yield
        except (UnauthenticatedError, PermissionDeniedError) as denial:
            self._denials.note(_entry(call, denial))
            raise
        except NotFoundError as hidden:
            if isinstance(hidden.__cause__, PermissionDeniedError):
                self._denials.note(_entry(call, hidden.__cause__))
            raise


def _answering_if_decided(handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
    """Let no response of a stream out before it is decided about; a single one waits for the end of its session."""
    behavior = behavior_of(handler)
    if not inspect.isasyncgenfunction(behavior):
        return handler

    async def stream(request: object, context: Context) -> AsyncIterator[object]:
        async for response in behavior(request, context):
            current_call.get().check_decided()
            yield response

    return with_behavior(handler, stream)


def _entry(call: Call, denial: UnauthenticatedError | PermissionDeniedError) -> Entry:
    user = call.caller.user
    return Entry(
        action="access.deny",
        resource_type="access",
        team_id=denial.team_id if isinstance(denial, PermissionDeniedError) else None,
        details={"rpc": call.method.removeprefix("/"), "reason": denial.reason},
        actor_id=user.id if user else None,
        actor_email=user.email if user else None,
        actor_service=call.caller.service or None,
        actor_ip=call.ip,
        request_id=call.request_id,
    )


def _acting_user_id(metadata: Metadata) -> uuid.UUID | None:
    given = values_of(USER_ID_HEADER, metadata)
    if not given:
        return None
    if len(given) > 1 or not UUID_FORM.fullmatch(given[0]):
        raise InvalidArgumentError.of(USER_ID_HEADER, "must be the UUID of one user")
    return uuid.UUID(given[0])
