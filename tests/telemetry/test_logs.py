"""Logs as production writes them. Each test runs a new process, because loggers keep their first configuration."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.processes.service import ROOT, environment

PREAMBLE = """
import logging, structlog, sys
from stagely_rpc.telemetry.logs.configure import configure_logs
log = structlog.get_logger("test")
"""


def run(program: str) -> list[str]:
    """Run a program to its end. Return the lines that it wrote to standard error."""
    ended = subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT}:{ROOT / 'gen'}"),
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return ended.stderr.decode().splitlines()


def run_json(program: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(program)]


@pytest.mark.parametrize("end", ["", "sys.exit(2)", "raise RuntimeError", "1/0"])
def test_no_line_is_lost_when_the_interpreter_ends(end: str) -> None:
    lines = run(f"""
configure_logs("info", json=True)
for number in range(5000):
    log.info("line", number=number)
{end}
""")

    logged = [json.loads(line) for line in lines if line.startswith("{")]
    assert [entry["number"] for entry in logged] == list(range(5000))


def test_records_of_the_standard_library_are_written_in_order() -> None:
    events = run_json("""
configure_logs("info", json=True)
log.info("one")
logging.getLogger("library").warning("two %s", "things")
log.info("three")
""")

    assert [entry["event"] for entry in events] == ["one", "two things", "three"]
    assert [entry["level"] for entry in events] == ["info", "warning", "info"]


def test_exception_is_in_the_line_of_its_error() -> None:
    (entry,) = run_json("""
configure_logs("info", json=True)
try:
    1/0
except ZeroDivisionError:
    log.exception("internal error", method="/x/y")
""")

    assert entry["method"] == "/x/y"
    assert "ZeroDivisionError: division by zero" in entry["exception"]


def test_each_line_has_its_level_and_its_time() -> None:
    (entry,) = run_json("""
configure_logs("warn", json=True)
log.info("not this")
log.warning("this")
""")

    assert entry["level"] == "warning"
    assert abs((datetime.now(UTC) - datetime.fromisoformat(entry["timestamp"])).total_seconds()) < 60


def test_process_that_logs_until_it_ends_loses_no_line_with_a_slow_reader() -> None:
    program = """
configure_logs("info", json=True)
for number in range(2000):
    log.info("line", number=number, text="x" * 200)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT}:{ROOT / 'gen'}"),
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    with process.stderr:
        read = b"".join(iter(lambda: slowly(process), b""))
    process.wait(timeout=30)

    assert [json.loads(line)["number"] for line in read.splitlines()] == list(range(2000))


def slowly(process: subprocess.Popen[bytes]) -> bytes:
    """Read a little, after a pause."""
    assert process.stderr
    time.sleep(0.005)
    return process.stderr.read1(16_384)  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(("level", "logged"), [("debug", "11"), ("info", "01"), ("warn", "00")])
def test_calls_are_not_observed_if_their_level_is_off(level: str, logged: str) -> None:
    (observed,) = run(f"""
from stagely_rpc.interceptors.access_log import AccessLogInterceptor
configure_logs({level!r}, json=True)
methods = ("/grpc.health.v1.Health/Check", "/stagely.v1.TeamService/GetTeam")
print(*(int(AccessLogInterceptor().observer(method) is not None) for method in methods), sep="", file=sys.stderr)
""")

    assert observed == logged
