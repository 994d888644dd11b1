from __future__ import annotations

import logging
import re
import uuid
from ipaddress import ip_address
from typing import Any, cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stagely_rpc.call import Call, Caller, Permissions, User
from stagely_rpc.interceptors.access_log import AccessLogInterceptor, CallLog, JsonCallLog

METHOD = "/stagely.v1.TeamService/GetTeam"
USER = User(uuid.uuid4(), "ada@example.com")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


class Lines:
    """A line writer that only stores the lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def put(self, line: bytes) -> None:
        self.lines.append(line)


def call_of(service: str = "api", user: User | None = None, **overrides: Any) -> Call:
    fields: dict[str, Any] = {"method": METHOD, "peer": "ipv4:192.0.2.1:443", "request_id": "mine-1"}
    caller = Caller(service, Permissions(frozenset()), user)
    return Call(**(fields | overrides), ip=ip_address("192.0.2.1"), caller=caller)


def line_of(call: Call, code: str = "OK", level: int = logging.INFO) -> bytes:
    """Return the log line of a call."""
    lines = Lines()
    JsonCallLog(call.method, level, cast("Any", lines)).end(call, code)
    (line,) = lines.lines
    return line


def test_line_has_these_fields_in_order() -> None:
    entry = orjson.loads(line_of(call_of(user=USER)))

    assert list(entry) == [
        "method",
        "code",
        "duration_ms",
        "peer",
        "service",
        "user_id",
        "request_id",
        "event",
        "level",
        "timestamp",
    ]
    assert entry["duration_ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", entry["timestamp"])


@pytest.mark.parametrize("user", [None, USER])
@pytest.mark.parametrize("service", ["", "api"])
def test_json_line_has_the_same_values_as_the_structlog_entry(service: str, user: User | None) -> None:
    call = call_of(service, user)

    with capture_logs() as logs:
        CallLog(METHOD, logging.INFO).end(call, "ABORTED")
    entry = orjson.loads(line_of(call, "ABORTED"))

    (read,) = logs
    assert entry["level"] == read.pop("log_level")
    assert {name: entry[name] for name in read if name != "duration_ms"} | {"duration_ms": read["duration_ms"]} == read
    assert (entry["service"], entry["user_id"]) == (service or None, user and str(user.id))


@given(service=texts, peer=texts, request_id=texts, method=texts)
def test_no_value_breaks_a_line(service: str, peer: str, request_id: str, method: str) -> None:
    line = line_of(call_of(service, peer=peer, request_id=request_id, method=method))

    assert line.index(b"\n") == len(line) - 1
    entry = orjson.loads(line)
    assert (entry["service"] or "", entry["peer"], entry["request_id"], entry["method"]) == (
        service,
        peer,
        request_id,
        method,
    )


def test_health_calls_are_logged_at_debug_and_others_at_info() -> None:
    interceptor = AccessLogInterceptor()
    health, other = interceptor.observer("/grpc.health.v1.Health/Check"), interceptor.observer(METHOD)
    assert health
    assert other

    with capture_logs() as logs:
        health.end(call_of(), "OK")
        other.end(call_of(), "OK")

    assert [log["log_level"] for log in logs] == ["debug", "info"]
    assert orjson.loads(line_of(call_of(), level=logging.DEBUG))["level"] == "debug"
