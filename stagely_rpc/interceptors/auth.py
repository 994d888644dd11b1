"""Who calls, and whether the call is admitted: decided before the request is even decoded."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Protocol

from stagely_rpc import access
from stagely_rpc.call import current_call
from stagely_rpc.db.audit_entries import Entry
from stagely_rpc.errors import InvalidArgumentError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from stagely_rpc.fields import UUID_FORM
from stagely_rpc.interceptors.metadata import USER_ID_HEADER, values_of
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, wrapped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    import grpc

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

    class Denials(Protocol):
        """Records denials."""

        def note(self, entry: Entry) -> None:
            """Record a denial soon."""
            ...


_REFUSALS = (UnauthenticatedError, PermissionDeniedError, NotFoundError)


class AuthInterceptor(WrappingInterceptor):
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
        """Admit each call of the method, and record a denial wherever it comes from; leave open methods as they are."""
        if method in self._open_methods:
            return handler
        policy, behavior = self._policies.get(method), behavior_of(handler)

        async def answer(request: object, context: Context) -> object:
            call = current_call.get()
            try:
                await self._admit(call, policy, context)
                return await behavior(request, context)
            except _REFUSALS as refusal:
                self._note_denial(call, refusal)
                raise

        async def stream(request: object, context: Context) -> AsyncIterator[object]:
            call = current_call.get()
            try:
                await self._admit(call, policy, context)
                async for response in behavior(request, context):
                    # None is let out before it is decided about; a single response waits for the end of its session.
                    call.check_decided()
                    yield response
            except _REFUSALS as refusal:
                self._note_denial(call, refusal)
                raise

        return wrapped(handler, answer=answer, stream=stream)

    async def _admit(self, call: Call, policy: Policy | None, context: Context) -> None:
        call.policy = policy
        call.caller = await self._authenticator.caller_of(call.metadata, context)
        call.caller = await access.admit(self._db, call, _acting_user_id(call.metadata))

    def _note_denial(self, call: Call, refusal: BaseException) -> None:
        # Of what a user may not know of, it is told that it is not there: why, is the cause.
        denial = refusal.__cause__ if isinstance(refusal, NotFoundError) else refusal
        if isinstance(denial, (UnauthenticatedError, PermissionDeniedError)):
            self._denials.note(_entry(call, denial))


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
