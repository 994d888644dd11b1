"""The disk of the database is full for a while: a small file system in memory, which only root may mount."""

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
from campaigns.stage import service
from tests.support.own_postgres import own_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.own_postgres import OwnPostgres

CALLERS = 8
SIZE = "320m"
LONGEST_SECONDS = CALL_SECONDS + 20


def is_possible() -> bool:
    """Whether this process may mount."""
    if os.geteuid() or shutil.which("mount") is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], capture_output=True, check=False)
        if not mounted.returncode:
            subprocess.run(["umount", directory], check=True)
        return not mounted.returncode


async def run(seconds: float = 30, times: int = 5) -> Report:
    """Writes fail honestly while there is no space, nothing acknowledged is lost, and all is well with space again."""
    report, ledger = Report("disk_full"), Ledger()
    with _small_disk() as disk, own_postgres(disk) as postgres:
        async with service(postgres.url) as one:
            load = Load(one.address, ledger)
            async with load.running(CALLERS):
                returns = [await _fill(load, postgres, disk, seconds) for _ in range(times)]
            load.judge(report)
        report.counted["PostgreSQL started again"] = sum(was_dead for was_dead, _ in returns)
        slowest = max(took for _, took in returns)
        report.counted["slowest return to normal"] = f"{slowest:.1f} s"
        report.expect(slowest < LONGEST_SECONDS, f"with space again, it took {slowest:.1f} s until all was well")
        report.injected["no space left on the database's disk"] = f"{times} times {seconds:g} s"
        refused = sum(number for (_, code), number in load.codes.items() if code != "OK")
        report.expect(refused, "no call was refused: the disk was not full")
        ledger.verdict(postgres.url).judge(report)
    return report


async def _fill(load: Load, postgres: OwnPostgres, disk: Path, seconds: float) -> tuple[bool, float]:
    """Fill the disk for a while; return whether PostgreSQL ended, and how long it took until all was well again."""
    filler = disk / "filler"
    await asyncio.sleep(1)
    await asyncio.to_thread(_write_until_full, filler)
    await asyncio.sleep(seconds)
    filler.unlink()
    # Without space for its log PostgreSQL ends; who runs it starts it again.
    was_dead = await asyncio.to_thread(_is_dead, postgres.url)
    if was_dead:
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
    began = time.monotonic()
    await load.answers(10 * CALLERS)
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
