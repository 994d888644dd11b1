"""One line for each call: its method, code, duration, peer, caller and request id. Never what is in a message."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
import structlog

from stagely_rpc.call import current_call
from stagely_rpc.interceptors.wrapping import AroundInterceptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.interceptors.metadata import Context

_HEALTH_SERVICE = "/grpc.health.v1.Health/"

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_log = structlog.get_logger("stagely_rpc.access")


class AccessLogInterceptor(AroundInterceptor):
    """Logs calls at info; health checks, which come every few seconds for as long as the service runs, at debug."""

    @asynccontextmanager
    async def around(self, method: str, context: Context) -> AsyncIterator[None]:
        """Log the call at its end, however it ends."""
        code = grpc.StatusCode.CANCELLED
        try:
            yield
            code = grpc.StatusCode.OK
        except grpc.aio.AbortError:
            code = _code_of(context)
            raise
        finally:
            call = current_call.get()
            log = _log.debug if method.startswith(_HEALTH_SERVICE) else _log.info
            log(
                "call",
                method=method,
                code=code.name,
                duration_ms=round((time.perf_counter() - call.started) * 1000, 3),
                peer=call.peer,
                service=call.caller.service or None,
                user_id=call.caller.user and str(call.caller.user.id),
                request_id=call.request_id,
            )


def _code_of(context: Context) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else _CODES[code]
