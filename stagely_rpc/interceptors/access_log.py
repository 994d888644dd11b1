"""One line for each call: its method, code, duration, peer, caller and request id. Never what is in a message."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from stagely_rpc.call import Call, current_call
from stagely_rpc.interceptors.observer import ObservingInterceptor
from stagely_rpc.telemetry.logs.configure import json_line, json_lines

if TYPE_CHECKING:
    from stagely_rpc.telemetry.logs.line_writer import LineWriter

HEALTH_SERVICE = "/grpc.health.v1.Health/"
_EVENT = "call"

_log = structlog.get_logger("stagely_rpc.access")


class AccessLogInterceptor(ObservingInterceptor):
    """Logs calls at info; health checks, which come every few seconds for as long as the service runs, at debug."""

    def observer(self, method: str) -> CallLog | None:
        """Return what logs the calls of a method; None where its level is off."""
        level = logging.DEBUG if method.startswith(HEALTH_SERVICE) else logging.INFO
        if not _log.is_enabled_for(level):
            return None
        lines = json_lines()
        return CallLog(method, level) if lines is None else JsonCallLog(method, level, lines)


class CallLog:
    """Logs the calls of one method the way that everything is logged."""

    def __init__(self, method: str, level: int) -> None:
        self._method = method
        self._level = level

    def begin(self) -> Call:
        """Return the call, for `end`."""
        return current_call.get()

    def end(self, call: Call, code: str) -> None:
        """Log it."""
        _log.log(self._level, _EVENT, **self._fields(call, code))

    def _fields(self, call: Call, code: str) -> dict[str, Any]:
        caller = call.caller
        trace = {} if call.trace_id is None else {"trace_id": call.trace_id}
        return {
            "method": self._method,
            "code": code,
            "duration_ms": round((time.perf_counter() - call.started) * 1000, 3),
            "peer": call.peer,
            "service": caller.service or None,
            "user_id": caller.user and str(caller.user.id),
            "request_id": call.request_id,
            **trace,
        }


class JsonCallLog(CallLog):
    """The same as finished lines: structlog's way to them costs more than the rest of the chain."""

    def __init__(self, method: str, level: int, lines: LineWriter) -> None:
        super().__init__(method, level)
        self._put = lines.put
        self._level_name = logging.getLevelName(level).lower()

    def end(self, call: Call, code: str) -> None:
        """Have the line written soon."""
        line = self._fields(call, code)
        line["event"], line["level"], line["timestamp"] = _EVENT, self._level_name, datetime.now(UTC)
        self._put(json_line(line))
