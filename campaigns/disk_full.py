"""Campaign: the disk of the database fills up and is freed again, several times.

The database is on a small file system in memory, which only root may mount.

Measured: how often PostgreSQL had to be restarted, and the slowest recovery after the disk was freed.
Must hold: calls fail only with expected codes, no write is lost, duplicated or partial, and the service recovers within
30 s.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from campaigns.ledger import Ledger
from campaigns.load import CALL_SECONDS, Load
from campaigns.report import Report
from campaigns.service_process import running_service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.own_postgres import OwnPostgres

CALLERS = 8
SIZE = "320m"
MAX_RECOVERY_SECONDS = CALL_SECONDS + 20


def is_possible() -> bool:
    """Return whether this process may mount a file system."""
    if os.geteuid() or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], capture_output=True, check=False)
        if not mounted.returncode:
            subprocess.run(["umount", directory], check=True)
        return not mounted.returncode


async def run(seconds: float = 30, times: int = 5) -> Report:
    """Fill the disk `times` times, for `seconds` each."""
    report, ledger = Report("disk_full"), Ledger()
    with _small_disk() as disk, own_postgres(disk) as postgres:
        async with running_service(postgres.url) as service:
            load = Load(service.address, ledger)
            async with load.running(CALLERS):
                recoveries = [await _fill(load, postgres, disk, seconds) for _ in range(times)]
            load.add_to(report)
        report.counted["PostgreSQL restarted"] = sum(was_dead for was_dead, _ in recoveries)
        slowest = max(took for _, took in recoveries)
        report.counted["slowest recovery"] = f"{slowest:.1f} s"
        report.expect(slowest < MAX_RECOVERY_SECONDS, f"recovery took {slowest:.1f} s after the disk was freed")
        report.injected["no space left on the database's disk"] = f"{times} times {seconds:g} s"
        failed = sum(number for (_, code), number in load.codes.items() if code != "OK")
        report.expect(failed, "no call failed: the disk was not full")
        ledger.compare(postgres.url).add_to(report)
    return report


async def _fill(load: Load, postgres: OwnPostgres, disk: Path, seconds: float) -> tuple[bool, float]:
    """Fill the disk for some seconds; return whether PostgreSQL died, and the seconds until recovery."""
    filler = disk / "filler"
    await asyncio.sleep(1)
    await asyncio.to_thread(_write_until_full, filler)
    await asyncio.sleep(seconds)
    filler.unlink()
    # PostgreSQL dies if there is no space for its write-ahead log. A supervisor would restart it, so restart it here.
    was_dead = await asyncio.to_thread(_is_dead, postgres.url)
    if was_dead:
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
    began = time.monotonic()
    await load.wait_for_responses(10 * CALLERS)
    return was_dead, time.monotonic() - began


def _write_until_full(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(65536)):
            pass


def _is_dead(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def _small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stagely-") as directory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", directory], check=True)
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", directory], check=True)
