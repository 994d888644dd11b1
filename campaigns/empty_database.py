"""Campaign: many replicas start at the same time on an empty database. Each migrates it, then serves.

Measured: the number of replicas that serve, and the slowest round.
Must hold: every migration succeeds, the schema is at the current revision, and every replica serves.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg

from campaigns.report import Report
from stagely_rpc.db.schema.revision import needed_revision
from tests.support.own_postgres import own_postgres
from tests.support.processes.service import ROOT, STAGELY_RPC, serving, settings_for


async def run(rounds: int = 20, replicas: int = 10) -> Report:
    """Start `replicas` replicas on an empty database, `rounds` times."""
    report = Report("empty_database")
    served, slowest = 0, 0.0
    with own_postgres(migrated=False) as postgres:
        for _ in range(rounds):
            _empty(postgres.url)
            began = time.monotonic()
            failed = await asyncio.to_thread(_migrate_at_once, postgres.url, replicas)
            report.violations += failed
            served += await asyncio.to_thread(_serve_at_once, postgres.url, replicas)
            slowest = max(slowest, time.monotonic() - began)
            report.expect(_revision(postgres.url) == needed_revision(), "the schema is not at the current revision")
    report.injected["replicas started at once"] = f"{replicas}, in {rounds} rounds"
    report.counted["replicas that served"] = served
    report.counted["slowest round"] = f"{slowest:.1f} s"
    report.expect(served == rounds * replicas, f"{rounds * replicas - served} replicas did not serve")
    return report


def _empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def _migrate_at_once(url: str, replicas: int) -> list[str]:
    command, env = [str(STAGELY_RPC), "migrate", "up"], settings_for(url)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen(command, env=env, cwd=ROOT, **pipes) for _ in range(replicas)]  # type: ignore[call-overload]
    failed = []
    for each in started:
        output, _ = each.communicate()
        if each.returncode:
            failed.append(f"a migration exited with {each.returncode}: {output[-300:]}")
    return failed


def _serve_at_once(url: str, replicas: int) -> int:
    each = [serving(["serve"], settings_for(url, DATABASE_POOL_SIZE="2")) for _ in range(replicas)]
    with ExitStack() as stack, ThreadPoolExecutor(replicas) as starting:
        return len(list(starting.map(stack.enter_context, each)))


def _revision(url: str) -> str:
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return found[0] if found else ""
