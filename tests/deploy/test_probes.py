"""The probes of the manifests, asked for real: by a program that asks as the kubelet does."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.eventually import eventually
from tests.support.identity.certificates import Files
from tests.support.manifests import server
from tests.support.processes.service import serving
from tests.support.processes.tls import HEALTH, settings_with_tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBE = shutil.which("grpc-health-probe")
IS_WELL = {"startup": True, "readiness": True, "liveness": True}

pytestmark = pytest.mark.skipif(PROBE is None, reason="grpc-health-probe is not installed")


@pytest.fixture
def address(fresh_database_url: str, tmp_path: Path) -> Iterator[str]:
    """The health port of a replica that speaks TLS, as it does in the manifests."""
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    with serving(["serve"], settings_with_tls(fresh_database_url, files)) as replica:
        yield next(found[1] for line in replica.lines if (found := HEALTH.search(line)))


async def answers(address: str) -> dict[str, bool]:
    """Ask what each probe asks, and return which of them are content."""
    return {kind: await is_content(address, kind) for kind in IS_WELL}


async def is_content(address: str, kind: str) -> bool:
    asked = server()[f"{kind}Probe"]["grpc"].get("service", "")
    assert PROBE is not None
    # The machine of a test may be slower than a node: the timeouts of the manifests are not what is tested.
    options = [f"-addr={address}", f"-service={asked}", "-connect-timeout=20s", "-rpc-timeout=20s"]
    process = await asyncio.create_subprocess_exec(
        PROBE, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    status = re.search(rb"status: (\w+)|responded with \"(\w+)\"", said)
    assert status is not None, said
    return process.returncode == 0


async def test_every_probe_of_a_replica_that_serves_is_content(address: str) -> None:
    await eventually(lambda: answers(address), IS_WELL, seconds=30)


async def test_replica_that_cannot_serve_is_taken_out_and_not_restarted(address: str, fresh_database_url: str) -> None:
    await eventually(lambda: answers(address), IS_WELL, seconds=30)
    async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as connection:
        await connection.execute("ALTER TABLE alembic_version RENAME TO gone")
        await eventually(lambda: answers(address), IS_WELL | {"readiness": False}, seconds=30)
        await connection.execute("ALTER TABLE gone RENAME TO alembic_version")

    await eventually(lambda: answers(address), IS_WELL, seconds=30)
