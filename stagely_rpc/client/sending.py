"""Sends streams of requests in an async client.

If grpc.aio reads the iterator itself, an error of the iterator cancels the caller's task, and a waiting iterator
outlives its call. Here the caller gets the error, and the iterator ends with the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    StreamCall = grpc.aio.StreamUnaryCall[Any, Any] | grpc.aio.StreamStreamCall[Any, Any]

Request = TypeVar("Request")
Requests = AsyncIterable[Request] | Iterable[Request]

_FAILED_WRITE = "Internal error from Core"
_STATUS_SECONDS, _LOOK_SECONDS = 1.0, 0.01


@asynccontextmanager
async def sending(call: StreamCall, requests: Requests[Any]) -> AsyncIterator[None]:
    """Send requests while the block runs. Raise the errors of the iterator in the block.

    Raises:
        AioRpcError: the call failed.
    """
    sender = asyncio.create_task(_send(call, requests))

    def end(_: object) -> None:
        # Raised first, because a write to an ended call would replace the call's status.
        sender.cancel()

    call.add_done_callback(end)
    try:
        yield
    except asyncio.CancelledError:
        if sender.done() and not sender.cancelled() and (error := sender.exception()) is not None:
            raise error from None
        raise
    except grpc.aio.AioRpcError as failed:
        raise await final_error(call, failed) from None
    finally:
        sender.cancel()
        call.cancel()
        await asyncio.wait({sender})
        if not sender.cancelled():
            sender.exception()


async def _send(call: StreamCall, requests: Requests[Any]) -> None:
    try:
        async with aclosing(_each(requests)) as each:
            async for request in each:
                await call.write(request)
        await call.done_writing()
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        # The call has ended. Reading from it raises the reason.
        return
    except BaseException:
        call.cancel()
        raise


async def _each(requests: Requests[Request]) -> AsyncGenerator[Request, None]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request


async def final_error(call: Any, failed: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:  # noqa: ANN401 - of any kind
    """Return the error of a call's status. Until it arrives, grpc.aio returns the error of a failed write."""
    for _ in range(round(_STATUS_SECONDS / _LOOK_SECONDS)):
        if failed.details() != _FAILED_WRITE:
            break
        await asyncio.sleep(_LOOK_SECONDS)
        failed = grpc.aio.AioRpcError(
            await call.code(), await call.initial_metadata(), await call.trailing_metadata(), await call.details()
        )
    return failed
