"""The access log of a real process: every call is logged once, even if the log reader stalls or the process stops."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING, Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stagely.v1 import id_pb2, id_pb2_grpc
from tests.support.call_metadata import headers_of
from tests.support.processes.service import STAGELY_RPC, serving, settings_for
from tests.support.tokens import JWT_SECRET, token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CALLS = 10_000
IN_FLIGHT = 64
# The log lines of these calls are several times larger than a pipe's buffer.
UNREAD_CALLS = 1500


def production(database_url: str, **overrides: str) -> dict[str, str]:
    return settings_for(database_url, ENVIRONMENT="production", JWT_SECRET=JWT_SECRET, **overrides)


def serving_to_a_pipe(database_url: str) -> subprocess.Popen[str]:
    """Start a server whose log goes to a pipe that only the test reads."""
    return subprocess.Popen([STAGELY_RPC, "serve"], env=production(database_url), stderr=subprocess.PIPE, text=True)


async def make_calls(address: str, request_ids: Sequence[str]) -> None:
    """Make a call with each request id, several at a time."""
    pending = iter(request_ids)
    headers = headers_of(token("api", "ids.*"))
    async with grpc.aio.insecure_channel(address) as channel:
        ids = id_pb2_grpc.IdServiceStub(channel)

        async def work() -> None:
            for request_id in pending:
                metadata = (("x-request-id", request_id), *headers)
                await ids.GenerateId(id_pb2.GenerateIdRequest(), metadata=metadata, timeout=30)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def calls_in(lines: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the log entries of calls. Every line must be JSON."""
    return [entry for entry in map(json.loads, lines) if entry["event"] == "call"]


async def test_every_call_is_logged_once_before_a_stopped_process_ends(fresh_database_url: str) -> None:
    request_ids = [f"call-{number}" for number in range(CALLS)]
    with serving(["serve"], production(fresh_database_url)) as server:
        await make_calls(server.address, request_ids)
        assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0

    assert sorted(entry["request_id"] for entry in calls_in(server.lines)) == sorted(request_ids)
    assert json.loads(server.lines[-1])["event"] == "stopped"


def address_in(log: IO[str]) -> str:
    """Read the log until it shows the address of the service."""
    entries = (json.loads(line) for line in log)
    return next(str(entry["address"]) for entry in entries if "address" in entry)


async def test_calls_succeed_and_no_line_is_lost_while_the_log_is_not_read(fresh_database_url: str) -> None:
    request_ids = [f"call-{number}" for number in range(UNREAD_CALLS)]
    process = serving_to_a_pipe(fresh_database_url)
    assert process.stderr
    with process, process.stderr as log:
        address = await asyncio.to_thread(address_in, log)
        await make_calls(address, request_ids)

        process.terminate()
        lines = await asyncio.to_thread(log.readlines)

    assert process.returncode == 0
    assert sorted(entry["request_id"] for entry in calls_in(lines)) == sorted(request_ids)


async def test_line_is_written_while_the_service_runs(fresh_database_url: str) -> None:
    with serving(["serve"], production(fresh_database_url)) as server:
        await make_calls(server.address, ["soon"])

        await asyncio.to_thread(server.wait_for, r'"request_id":"(soon)"')


@pytest.mark.parametrize(("level", "expected"), [("info", []), ("debug", ["debug"])])
def test_health_checks_are_logged_at_debug(fresh_database_url: str, level: str, expected: list[str]) -> None:
    with serving(["serve"], production(fresh_database_url, LOG_LEVEL=level)) as server:
        with grpc.insecure_channel(server.address) as channel:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        time.sleep(0.1)
        server.stop()

    assert [entry["level"] for entry in calls_in(server.lines)] == expected
