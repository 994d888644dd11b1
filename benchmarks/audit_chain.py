"""The cost of the audit chain: writes per second of four ways to extend it, as ratios to entries without a chain.

    python -m benchmarks.audit_chain      --rounds, --seconds, --clients

A write is a transaction of two INSERTs, of a secret and its audit entry, sent with psycopg from one event loop. Each
round measures the ways one after the other, once with all writes in one team and once with a team per client:

- plain: only the entry.
- at write: the entry, the end of its team's chain and its seal in one statement, with the hash computed in SQL.
- queued: the entry and its queue row in one statement; nothing seals them.
- sealer: as queued, with the service's sealer in the same event loop. The entries that are still queued at the end of a
  measurement are the backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.measure import Spread
from benchmarks.processes import migrated_database
from stagely_rpc.audit.chain import ChainKey
from stagely_rpc.audit.sealer import Sealer
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    Connection = psycopg.AsyncConnection[tuple[Any, ...]]

PLAIN, AT_WRITE, QUEUED, SEALER = "plain", "at write", "queued", "sealer"
WARMUP_SECONDS = 0.2

_SECRET = "INSERT INTO secrets (project_id, key, encrypted_value) VALUES (%s, %s, repeat('x', 200))"  # noqa: S105
_ROW = (
    "INSERT INTO audit_logs (action, resource_type, team_id, project_id, actor_service, request_id, metadata)"
    """ VALUES ('secret.set', 'secret', %s, %s, 'api', %s, '{"changes": {"encrypted_value": {"changed": true}}}')"""
)
_WAYS: dict[str, LiteralString] = {
    PLAIN: _ROW,
    AT_WRITE: f"""
        WITH logged AS ({_ROW} RETURNING id, team_id, audit_logs::text AS content),
        head AS (
            UPDATE audit_chain_heads
            SET position = position + 1, hash = sha256(hash || convert_to(content, 'UTF8'))
            FROM logged WHERE chain = team_id RETURNING chain, position, id, hash
        )
        INSERT INTO audit_seals (chain, position, audit_log_id, row_hash, hash)
        SELECT chain, position, id, hash, hash FROM head
    """,  # noqa: S608 - of constants
    QUEUED: f"""
        WITH logged AS ({_ROW} RETURNING timestamp, id)
        INSERT INTO audit_unsealed SELECT timestamp, id FROM logged
    """,  # noqa: S608 - of constants
}
_WAYS[SEALER] = _WAYS[QUEUED]


@dataclass(frozen=True)
class Tenant:
    """The team of a write."""

    team_id: uuid.UUID
    project_id: uuid.UUID


@dataclass(frozen=True)
class Measured:
    """The result of one way in one round."""

    writes_per_second: float
    backlog_rows: int = 0


@dataclass
class Bench:
    """The clients, the sealer's database, and all measurements so far."""

    clients: Sequence[Connection]
    db: Database
    seconds: float
    found: dict[tuple[str, str], list[Measured]] = field(default_factory=dict)

    async def round(self, teams: str, count: int) -> None:
        """Measure all ways one after the other, with a number of teams."""
        for way in _WAYS:
            # The sealer does not continue a chain that it did not start.
            tenants = [await _make_tenant(self.clients[0]) for _ in range(count)]
            measured = await self._measure(way, tenants)
            self.found.setdefault((way, teams), []).append(measured)

    async def _measure(self, way: str, tenants: Sequence[Tenant]) -> Measured:
        if way == AT_WRITE:
            await self._begin_chains(tenants)
        await self._write(way, tenants, WARMUP_SECONDS)
        sealer = Sealer(self.db, ChainKey(bytes(32)))
        if way == SEALER:
            sealer.start()
        started = time.perf_counter()
        writes = await self._write(way, tenants, self.seconds)
        seconds = time.perf_counter() - started
        backlog = await self._count_queue()
        await sealer.stop()
        await self.clients[0].execute("TRUNCATE audit_unsealed")
        return Measured(writes / seconds, backlog)

    async def _count_queue(self) -> int:
        cursor = await self.clients[0].execute("SELECT count(*) FROM audit_unsealed")
        ((rows,),) = await cursor.fetchall()
        return int(rows)

    async def _begin_chains(self, tenants: Sequence[Tenant]) -> None:
        for tenant in tenants:
            await self.clients[0].execute(
                "INSERT INTO audit_chain_heads VALUES (%s, 0, sha256(''), sha256(''))", [tenant.team_id]
            )

    async def _write(self, way: str, tenants: Sequence[Tenant], seconds: float) -> int:
        until = time.perf_counter() + seconds
        writers = [
            _writer(client, _WAYS[way], tenants[number % len(tenants)], until)
            for number, client in enumerate(self.clients)
        ]
        return sum(await asyncio.gather(*writers))


async def _writer(client: Connection, way: LiteralString, tenant: Tenant, until: float) -> int:
    writes = 0
    while time.perf_counter() < until:
        key = uuid.uuid4().hex
        await client.execute("BEGIN", prepare=True)
        await client.execute(_SECRET, (tenant.project_id, key), prepare=True)
        await client.execute(way, (tenant.team_id, tenant.project_id, key), prepare=True)
        await client.execute("COMMIT", prepare=True)
        writes += 1
    return writes


async def measure(url: str, *, rounds: int, seconds: float, clients: int) -> dict[tuple[str, str], list[Measured]]:
    """Return the measurements by way and teams."""
    async with AsyncExitStack() as opened:
        connections = [await opened.enter_async_context(_connected(url)) for _ in range(clients)]
        db = Database(url, PoolLimits(size=1), IdempotencyStore(bytes(32), ttl_seconds=60))
        opened.push_async_callback(db.close)
        bench = Bench(connections, db, seconds)
        for _ in range(rounds):
            await bench.round("one team", 1)
            await bench.round("many teams", clients)
    return bench.found


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


async def _make_tenant(connection: Connection) -> Tenant:
    """Create a team and a project."""
    slug = f"team-{uuid.uuid4().hex[:12]}"
    cursor = await connection.execute(
        "WITH team AS (INSERT INTO teams (slug, name) VALUES (%s, 'Web') RETURNING id)"
        " INSERT INTO projects (team_id, slug, name, repo_url) SELECT id, 'web', 'Web', 'https://example.com/web'"
        " FROM team RETURNING team_id, id",
        [slug],
    )
    ((team_id, project_id),) = await cursor.fetchall()
    return Tenant(team_id, project_id)


def rendered(found: dict[tuple[str, str], list[Measured]]) -> Table:
    """Return the table: writes per second, and ratios to plain entries within each round."""
    table = Table(title="writes of a secret and its audit row; ratios to plain: median (lowest-highest)")
    for heading in ("way", "teams", "writes/s", "of plain", "backlog"):
        table.add_column(heading, justify="left" if heading in ("way", "teams") else "right")
    for (way, teams), rounds in found.items():
        pairs = zip(rounds, found[PLAIN, teams], strict=True)
        ratio = Spread.of(each.writes_per_second / plain.writes_per_second for each, plain in pairs)
        speed = Spread.of(each.writes_per_second for each in rounds)
        backlog = Spread.of(each.backlog_rows / each.writes_per_second for each in rounds)
        table.add_row(
            way,
            teams,
            f"{speed.median:,.0f}",
            f"{ratio.median:.2f} ({ratio.lowest:.2f}-{ratio.highest:.2f})",
            f"{backlog.median:.2f} s" if way == SEALER else "",
        )
    return table


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.audit_chain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=11, help="measure everything so many times (default: 11)")
    parser.add_argument("--seconds", type=float, default=0.8, help="of each measurement (default: 0.8)")
    parser.add_argument("--clients", type=int, default=16, help="that write at the same time (default: 16)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stagely-") as directory, migrated_database(Path(directory)) as url:
        found = uvloop.run(measure(url, rounds=arguments.rounds, seconds=arguments.seconds, clients=arguments.clients))
    Console(width=120).print(rendered(found))


if __name__ == "__main__":
    main()
