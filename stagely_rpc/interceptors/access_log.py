"""The access log: one line per call with method, code, duration, peer, caller and request id. No message content."""

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
    """Logs calls at level info, and the frequent health checks at level debug."""

    def observer(self, method: str) -> CallLog | None:
        """Return the observer that logs the calls of a method; None if its level is off."""
        level = logging.DEBUG if method.startswith(HEALTH_SERVICE) else logging.INFO
        if not _log.is_enabled_for(level):
            return None
        lines = json_lines()
        return CallLog(method, level) if lines is None else JsonCallLog(method, level, lines)


class CallLog:
    """Logs the calls of one method through structlog."""

    def __init__(self, method: str, level: int) -> None:
        self._method = method
        self._level = level

    def begin(self) -> Call:
        """Return the call, for `end`."""
        return current_call.get()

    def end(self, call: Call, code: str) -> None:
        """Log the call."""
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
    """Logs the calls of one method as complete JSON lines. structlog would cost more than the rest of the chain."""

    def __init__(self, method: str, level: int, lines: LineWriter) -> None:
        super().__init__(method, level)
        self._put = lines.put
        self._level_name = logging.getLevelName(level).lower()

    def end(self, call: Call, code: str) -> None:
        """Queue the line for the log writer."""
        line = self._fields(call, code)
        line["event"], line["level"], line["timestamp"] = _EVENT, self._level_name, datetime.now(UTC)
        self._put(json_line(line))
