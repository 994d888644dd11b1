"""A call's context with other ways to read and write the messages of its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stagely_rpc.wire.context import Context

    Read = Callable[[], Awaitable[Any]]
    Write = Callable[[Any], Awaitable[None]]


def with_messages(context: Context, *, read: Read | None = None, write: Write | None = None) -> Context:
    """Return the context with another `read`, another `write`, or both."""
    return cast("Context", _StreamContext(context, read or context.read, write or context.write))


class _StreamContext:
    def __init__(self, context: Context, read: Read, write: Write) -> None:
        self._context = context
        self.read = read
        self.write = write

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of gRPC's context
        return getattr(self._context, name)
