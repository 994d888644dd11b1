"""The base of interceptors that only observe calls: their begin and their end."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from stagely_rpc.interceptors.wrapping import WrappingInterceptor, behavior_of, with_behavior

if TYPE_CHECKING:
    from stagely_rpc.wire.context import Context

    class Observer(Protocol):
        """Observes the calls of one method."""

        def begin(self) -> Any:  # noqa: ANN401 - any value that `end` needs
            """A call began. Return a value for `end`."""
            ...

        def end(self, began: Any, code: str) -> None:  # noqa: ANN401
            """A call ended with a gRPC code. `began` is the value that `begin` returned."""
            ...


_OK = grpc.StatusCode.OK.name
_CANCELLED = grpc.StatusCode.CANCELLED.name
_DEADLINE_SLACK_SECONDS = 0.1
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED.name
# The code may be a number: gRPC's own health service sets it so.
_NAMES: dict[object, str] = {name: code.name for code in grpc.StatusCode for name in (code, code.value[0])}


def _why_cancelled(context: Context) -> str:
    """Return the code that the caller of a cancelled call has seen: CANCELLED or DEADLINE_EXCEEDED.

    At its deadline the client resets the call, shortly before the server notices the deadline.
    """
    left = context.time_remaining()
    return _LATE if left is not None and left < _DEADLINE_SLACK_SECONDS else _CANCELLED


class ObservingInterceptor(WrappingInterceptor):
    """An interceptor that observes calls. It must be outside the error interceptor."""

    @abstractmethod
    def observer(self, method: str) -> Observer | None:
        """Return the observer of a method's calls, or None."""

    def wrap(self, method: str, handler: grpc.RpcMethodHandler[Any, Any]) -> grpc.RpcMethodHandler[Any, Any]:
        """Observe each call of the method, if it has an observer."""
        observer, behavior = self.observer(method), behavior_of(handler)
        if observer is None:
            return handler
        begin, end = observer.begin, observer.end

        async def serve(request: object, context: Context) -> object:
            began, code = begin(), _CANCELLED
            try:
                response = await behavior(request, context)
                code = _OK
            except grpc.aio.AbortError:
                code = _NAMES[context.code()]
                raise
            except asyncio.CancelledError:
                code = _why_cancelled(context)
                raise
            finally:
                end(began, code)
            return response

        return with_behavior(handler, serve)
