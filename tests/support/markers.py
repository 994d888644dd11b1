"""Which tests need more than Python and one PostgreSQL: the marks `external` and `process`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

EXTERNAL = (
    "tests/benchmarks/",  # short runs of the benchmarks
    "tests/campaigns/",  # short forms of the campaigns
    "tests/deploy/",  # kustomize, promtool, grpc-health-probe, hadolint
    "tests/doctor/",  # PostgreSQL, Redis and certificates in every bad state
    "tests/e2e/",  # the service as processes; the README's tour with grpcurl; a wheel in an environment of its own
    "tests/process/",  # workers and signals, each with processes of its own
    "tests/servers/",  # five PostgreSQL majors, poolers, TLS, failover
    "tests/audit/test_export.py",  # the memory of an export of many rows
    "tests/db/schema/test_locks.py",  # ten processes that migrate at once
    "tests/db/schema/test_previous_code.py",  # the code before the newest revision, checked out
    "tests/db/schema/test_under_load.py",  # each revision while calls go on
    "tests/docs/reference/test_browser.py",  # Chromium
    "tests/docs/test_backup.py",  # pg_dump and a restore
    "tests/embedded/test_postgres.py",  # starts and kills of the embedded PostgreSQL
)
"""Files and folders whose tests need other programs, or start many processes, or take minutes."""

_STARTS_PROCESSES = re.compile(
    r"\bsubprocess\b|create_subprocess|tests\.support\.(processes|own_postgres|outages|servers|reference\.browser)"
    r"|stagely_rpc\.embedded|\bcampaigns\b|CliRunner|\bpytester\b"
)


def is_external(path: Path) -> bool:
    """Tell whether the tests of a file are marked `external`."""
    return path.relative_to(ROOT).as_posix().startswith(EXTERNAL)


@cache
def starts_processes(path: Path) -> bool:
    """Tell whether the tests of a file are marked `process`: it names what starts one."""
    return _STARTS_PROCESSES.search(path.read_text()) is not None
