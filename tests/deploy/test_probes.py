"""The probes of the manifests against a real replica, sent by grpc-health-probe as the kubelet would send them."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.eventually import eventually
from tests.support.identity.certificates import Files
from tests.support.manifests import server_container
from tests.support.processes.service import serving
from tests.support.processes.tls import HEALTH, settings_with_tls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBE = shutil.which("grpc-health-probe")
ALL_PASS = {"startup": True, "readiness": True, "liveness": True}

pytestmark = pytest.mark.skipif(PROBE is None, reason="grpc-health-probe is not installed")


@pytest.fixture
def address(fresh_database_url: str, tmp_path: Path) -> Iterator[str]:
    """The health port of a replica with TLS, as in the manifests."""
    files = Files(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "ca.crt")
    with serving(["serve"], settings_with_tls(fresh_database_url, files)) as replica:
        yield next(found[1] for line in replica.lines if (found := HEALTH.search(line)))


async def probe_results(address: str) -> dict[str, bool]:
    """Run each probe, and return whether it passes."""
    return {kind: await passes(address, kind) for kind in ALL_PASS}


async def passes(address: str, kind: str) -> bool:
    service = server_container()[f"{kind}Probe"]["grpc"].get("service", "")
    assert PROBE is not None
    # A test machine may be slower than a node, so the probes get longer timeouts than in the manifests.
    options = [f"-addr={address}", f"-service={service}", "-connect-timeout=20s", "-rpc-timeout=20s"]
    process = await asyncio.create_subprocess_exec(
        PROBE, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    status = re.search(rb"status: (\w+)|responded with \"(\w+)\"", output)
    assert status is not None, output
    return process.returncode == 0


async def test_all_probes_of_a_serving_replica_pass(address: str) -> None:
    await eventually(lambda: probe_results(address), ALL_PASS, seconds=30)


async def test_replica_that_cannot_serve_fails_readiness_but_not_liveness(
    address: str, fresh_database_url: str
) -> None:
    await eventually(lambda: probe_results(address), ALL_PASS, seconds=30)
    async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as connection:
        await connection.execute("ALTER TABLE alembic_version RENAME TO gone")
        await eventually(lambda: probe_results(address), ALL_PASS | {"readiness": False}, seconds=30)
        await connection.execute("ALTER TABLE gone RENAME TO alembic_version")

    await eventually(lambda: probe_results(address), ALL_PASS, seconds=30)
