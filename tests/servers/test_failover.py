"""Failover between two hosts in the URL, under load."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import func, insert, select

from stagely_rpc.client import StagelyError, connect
from stagely_rpc.db.models import Team
from stagely_rpc.db.models.rows import TeamRow
from stagely_rpc.errors import UnavailableError
from stagely_rpc.health.health_servicer import NOT_SERVING, SERVING
from tests.support.databases import database_at, writing
from tests.support.eventually import eventually
from tests.support.rpc import connected, running_server
from tests.support.servers.pairs import RECOVERY_SECONDS, promote, running_pair, set_read_only, wait_for_standby

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from stagely_rpc.client import Stagely
    from stagely_rpc.db.database import Database
    from stagely_rpc.server.server import Server
    from tests.support.servers.pairs import Pair
    from tests.support.servers.postgresql import PostgreSQL

WRITERS = 8
RECOVERED = 30
"""The number of acknowledged writes after which a failover counts as complete."""


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


class Load:
    """Callers that create teams and read them back, until `stop`."""

    def __init__(self, stagely: Stagely) -> None:
        self.acknowledged: set[str] = set()
        self.refused: Counter[str] = Counter()
        self._stagely = stagely
        self._stopping = False

    async def run(self) -> None:
        await asyncio.gather(*(self._write() for _ in range(WRITERS)))

    def stop(self) -> None:
        self._stopping = True

    async def expect_progress(self) -> None:
        """Wait until `RECOVERED` more writes are acknowledged."""
        before = len(self.acknowledged)

        async def has_recovered() -> bool:
            return len(self.acknowledged) >= before + RECOVERED

        await eventually(has_recovered, expected=True, seconds=RECOVERY_SECONDS)

    async def _write(self) -> None:
        while not self._stopping:
            slug = f"team-{secrets.token_hex(8)}"
            try:
                await self._stagely.teams.create(slug=slug, name="Web")
                self.acknowledged.add(slug)
                await self._stagely.teams.get(slug=slug)
            except StagelyError as error:
                self.refused[type(error).__name__] += 1


@asynccontextmanager
async def loaded(server: Server) -> AsyncIterator[Load]:
    """Put load on a server. Its first writes are acknowledged before the block starts."""
    async with connect(f"127.0.0.1:{server.port}") as stagely:
        load = Load(stagely)
        running = asyncio.create_task(load.run())
        try:
            await load.expect_progress()
            yield load
        finally:
            load.stop()
            await running


def slugs_in(server: PostgreSQL) -> set[str]:
    with psycopg.connect(server.url()) as connection:
        return {slug for (slug,) in connection.execute("SELECT slug FROM teams")}


async def status_of(server: Server) -> int:
    async with connected(server) as channel:
        return int((await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status)


async def test_no_acknowledged_write_is_lost_when_the_primary_fails(pair: Pair) -> None:
    async with running_server(pair.url, database_pool_size=8) as server, loaded(server) as load:
        await asyncio.to_thread(pair.primary.kill)
        await promote(pair.standby)
        await load.expect_progress()

    assert load.acknowledged <= slugs_in(pair.standby)
    assert set(load.refused) <= {"UnavailableError"}


async def test_service_moves_from_a_read_only_primary_to_the_new_one(pair: Pair) -> None:
    limits = {"database_pool_size": 8, "health_interval_seconds": 0.1}
    async with running_server(pair.url, **limits) as server, loaded(server) as load:
        await pair.demote()
        await eventually(lambda: status_of(server), NOT_SERVING, seconds=RECOVERY_SECONDS)
        await promote(pair.standby)
        await load.expect_progress()
        await eventually(lambda: status_of(server), SERVING, seconds=RECOVERY_SECONDS)

    # No NotFoundError: a read on the old primary would have missed the newest writes.
    assert set(load.refused) <= {"UnavailableError"}
    assert load.acknowledged <= slugs_in(pair.standby)


async def test_old_primary_can_rejoin_as_standby_and_take_over_again(pair: Pair) -> None:
    async with running_server(pair.url, database_pool_size=8) as server, loaded(server) as load:
        for old, new in ((pair.primary, pair.standby), (pair.standby, pair.primary)):
            await asyncio.to_thread(old.stop)
            await promote(new)
            old.follow(new)
            await asyncio.to_thread(old.start)
            await asyncio.to_thread(wait_for_standby, new)
            await load.expect_progress()

    assert set(load.refused) <= {"UnavailableError"}
    assert load.acknowledged <= slugs_in(pair.primary)


async def write(db: Database) -> None:
    async with writing(db) as session:
        await session.begin()
        session.insert(TeamRow, {"slug": f"team-{secrets.token_hex(8)}", "name": "Web"})


async def maintain(db: Database) -> None:
    async with db.system_transaction() as session:
        await session.execute(insert(Team).values(slug=f"team-{secrets.token_hex(8)}", name="Web"))


async def backend_of(db: Database) -> int:
    async with db.system_transaction() as session:
        return int((await session.execute(select(func.pg_backend_pid()))).scalar_one())


@pytest.mark.parametrize("work", [write, maintain])
async def test_connection_is_replaced_after_a_write_is_refused_as_read_only(
    postgresql: PostgreSQL, work: Callable[[Database], Awaitable[None]]
) -> None:
    db = database_at(postgresql.url(), size=1)
    try:
        before = await backend_of(db)
        set_read_only(postgresql)
        await eventually(lambda: is_refused(work(db)), expected=True)
    finally:
        set_read_only(postgresql, read_only=False)

    assert await backend_of(db) != before
    await db.close()


async def is_refused(work: Awaitable[None]) -> bool:
    try:
        await work
    except UnavailableError:
        return True
    return False
