"""The pytest markers `external`, `process` and `slow`. Tests get them by their file."""

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
    "tests/e2e/",  # the service as processes; the README's tour with grpcurl; a wheel in its own environment
    "tests/process/",  # workers and signals, each with its own processes
    "tests/servers/",  # five PostgreSQL majors, poolers, TLS, failover
    "tests/audit/test_export.py",  # the memory of an export of many rows
    "tests/db/schema/test_locks.py",  # ten processes that migrate at once
    "tests/db/schema/test_previous_code.py",  # the code before the newest revision, checked out
    "tests/db/schema/test_under_load.py",  # each revision under load
    "tests/docs/reference/test_browser.py",  # Chromium
    "tests/docs/test_backup.py",  # pg_dump and a restore
    "tests/embedded/test_postgres.py",  # starts and kills of the embedded PostgreSQL
)
"""Files and folders with tests that need other programs, start many processes or take minutes."""

SLOW = (
    "tests/access/test_hostile_callers.py",  # floods of bad tokens
    "tests/access/test_lists.py",  # each list for each kind of caller
    "tests/access/test_matrix.py",  # each RPC for each kind of caller
    "tests/access/test_open_streams.py",  # credentials that expire
    "tests/bad_input/",  # corrupted forms of each request
    "tests/client/test_channels.py",  # connections that fail until a timeout
    "tests/client/test_errors.py",  # retries until they are exhausted
    "tests/client/test_retries.py",  # the backoff of gRPC
    "tests/client/test_streams.py",  # connections that grow old
    "tests/db/plans/",  # the plan of each statement over many rows
    "tests/db/schema/test_repairs.py",  # revisions over rows of earlier versions
    "tests/db/schema/test_up_and_down.py",  # each revision, up and down
    "tests/identity/test_jwks.py",  # key sets that are read again
    "tests/identity/test_reloading.py",  # certificates that expire
    "tests/identity/test_rotation.py",  # keys and certificates that change under load
    "tests/identity/test_token_cache.py",  # memory under many tokens
    "tests/interceptors/test_deadlines.py",  # deadlines that pass
    "tests/secrets/test_encryption.py",  # servers that do not start
    "tests/server/test_server.py",  # keepalive pings, which gRPC allows every 10 s
    "tests/telemetry/test_scrape.py",  # metrics that change with time
    "tests/telemetry/test_traces.py",  # collectors that do not answer
    "tests/transport/test_options.py",  # connections that grow old
)
"""Files and folders with tests that wait for seconds, or cover every request, statement or revision."""

_STARTS_PROCESSES = re.compile(
    r"\bsubprocess\b|create_subprocess|tests\.support\.(processes|own_postgres|outages|servers|reference\.browser)"
    r"|stagely_rpc\.embedded|\bcampaigns\b|CliRunner|\bpytester\b"
)


def is_external(path: Path) -> bool:
    """Return whether the tests of a file get the marker `external`."""
    return path.relative_to(ROOT).as_posix().startswith(EXTERNAL)


def is_slow(path: Path) -> bool:
    """Return whether the tests of a file get the marker `slow`."""
    return path.relative_to(ROOT).as_posix().startswith(SLOW)


@cache
def starts_processes(path: Path) -> bool:
    """Return whether the tests of a file get the marker `process`: its text names something that starts processes."""
    return _STARTS_PROCESSES.search(path.read_text()) is not None
