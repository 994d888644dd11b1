"""Authorization of calls before the request is decoded, and again while a stream is open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from stagely_rpc.call import current_call
from stagely_rpc.db.audit_entries import Entry
from stagely_rpc.errors import (
    DeadlineExceededError,
    NotFoundError,
    PermissionDeniedError,
    TransientError,
    UnauthenticatedError,
)
from stagely_rpc.interceptors.interruption import run_until
from stagely_rpc.interceptors.stream_context import with_messages
from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, is_stream, with_behavior

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import grpc

    from stagely_rpc.call import Call, Policy
    from stagely_rpc.interceptors.admission import Admission
    from stagely_rpc.interceptors.wrapping import Behavior
    from stagely_rpc.wire.context import Context

    class Denials(Protocol):
        """Records denials."""

        def note(self, entry: Entry) -> None:
            """Queue a denial to be recorded."""
            ...


REAUTHORIZE_SECONDS = 30.0
"""How often an open stream is authorized again."""

_ATTEMPTS = 10
_REFUSALS = (UnauthenticatedError, PermissionDeniedError, NotFoundError)
_UNDECIDED = (TransientError, DeadlineExceededError)


class AuthInterceptor(WrappingInterceptor):
    """Admits calls by the policies of the contract. Only open methods, such as health, are for everyone.

    An open stream is authorized again every 30 s, and when the caller's token or certificate expires. If the database
    is unavailable, the check is retried ten times within another 30 s. Then the stream ends with the error.
    """

    def __init__(
        self,
        admission: Admission,
        policies: Mapping[str, Policy],
        open_methods: Collection[str],
        denials: Denials,
        *,
        reauthorize_seconds: float = REAUTHORIZE_SECONDS,
    ) -> None:
        """Take the policies.

        Args:
            admission: decides whether a call is admitted.
            policies: the policies by full method name. A method without a policy is denied to everyone.
            open_methods: the full names of the methods that anyone may call.
            denials: records denials.
            reauthorize_seconds: how often an open stream is authorized again.
        """
        super().__init__()
        self._admission = admission
        self._policies = policies
        self._open_methods = frozenset(open_methods)
        self._denials = denials
        self._reauthorize_seconds = reauthorize_seconds

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Admit each call of the method, and record denials. Open methods are not wrapped."""
        if method in self._open_methods:
            return handler
        policy, behavior = self._policies.get(method), behavior_of(handler)
        serve = self._stream(policy, behavior) if is_stream(handler) else self._unary(policy, behavior)
        return with_behavior(handler, serve)

    def _unary(self, policy: Policy | None, behavior: Behavior) -> Behavior:
        async def serve(request: object, context: Context) -> object:
            call = current_call.get()
            try:
                await self._admission.admit(call, policy, context)
                return await behavior(request, context)
            except _REFUSALS as refusal:
                self._note_denial(call, refusal)
                raise

        return serve

    def _stream(self, policy: Policy | None, behavior: Behavior) -> Behavior:
        async def serve(request: object, context: Context) -> object:
            async def write(response: object) -> None:
                # Check before a streamed response is sent. A single response is checked when its session ends.
                call.check_authorized()
                await context.write(response)

            call = current_call.get()
            call.owners = set()
            try:
                await self._admission.admit(call, policy, context)
                checked = with_messages(context, write=write)
                return await run_until(behavior(request, checked), self._reauthorize(call, context))
            except _REFUSALS as refusal:
                self._note_denial(call, refusal)
                raise

        return serve

    async def _reauthorize(self, call: Call, context: Context) -> NoReturn:
        """Authorize a stream repeatedly until it is denied."""
        interval, failures = self._reauthorize_seconds, 0
        while True:
            pause = interval if failures == 0 else interval / _ATTEMPTS
            await asyncio.sleep(max(0.0, min(pause, self._admission.seconds_valid(call, context))))
            try:
                await self._admission.admit_again(call, context)
                failures = 0
            except _UNDECIDED:
                failures += 1
                if failures > _ATTEMPTS:
                    raise

    def _note_denial(self, call: Call, refusal: BaseException) -> None:
        # The caller sees NOT_FOUND; the reason of the denial is its cause.
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
