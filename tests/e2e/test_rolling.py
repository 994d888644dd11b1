"""A rolling update: three replicas behind a balancer are replaced one by one while clients read and write."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import psycopg
import pytest

from stagely_rpc.client import connect, connect_sync
from tests.support.processes.balancer import balancing
from tests.support.processes.service import serving, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.processes.balancer import Balancer
    from tests.support.processes.service import Running

REPLICAS = 3
CLIENTS = 3
"""The number of clients of each kind, sync and async."""
BETWEEN_CALLS_SECONDS = 0.01


class Clients:
    """Clients that create teams and read them back until `is_over` is set. They collect all errors."""

    def __init__(self) -> None:
        self.created: list[str] = []
        self.failures: list[Exception] = []
        self.is_over = threading.Event()

    async def call(self, port: int) -> None:
        async with connect(f"127.0.0.1:{port}") as stagely:
            for slug in self._slugs(port):
                try:
                    team = await stagely.teams.create(slug=slug, name="Team")
                    await stagely.teams.get(team.id)
                    self.created.append(slug)
                except Exception as failure:  # noqa: BLE001 - the test expects no error of any kind
                    self.failures.append(failure)
                await asyncio.sleep(BETWEEN_CALLS_SECONDS)

    def call_sync(self, port: int) -> None:
        with connect_sync(f"127.0.0.1:{port}") as stagely:
            for slug in self._slugs(port):
                try:
                    team = stagely.teams.create(slug=slug, name="Team")
                    stagely.teams.get(team.id)
                    self.created.append(slug)
                except Exception as failure:  # noqa: BLE001
                    self.failures.append(failure)
                time.sleep(BETWEEN_CALLS_SECONDS)

    def _slugs(self, port: int) -> Iterator[str]:
        turn = 0
        while not self.is_over.is_set():
            yield f"team-{port}-{turn}"
            turn += 1


class Replicas:
    """Server processes with one database."""

    def __init__(self, database_url: str, balancer: Balancer, stack: ExitStack, **overrides: str) -> None:
        self._settings = settings_for(database_url, SHUTDOWN_GRACE_SECONDS="10", **overrides)
        self._balancer = balancer
        self._stack = stack
        self.running: list[Running] = []

    async def start(self) -> None:
        """Start a replica, and add it to the balancer."""
        replica = await asyncio.to_thread(self._stack.enter_context, serving(["serve"], self._settings))
        self.running.append(replica)
        self._balancer.add(replica.address)

    async def replace(self, replica: Running) -> int:
        """Stop a replica, start another, and wait until the balancer finds it ready. Return the exit code."""
        code = await asyncio.to_thread(replica.stop)
        self.running.remove(replica)
        await self._balancer.remove(replica.address)
        await self.start()
        await self._balancer.expect_ready(REPLICAS)
        return code


async def roll(database_url: str, **overrides: str) -> tuple[Clients, list[int]]:
    """Replace every replica under load. Return the clients, and the exit codes of the replicas."""
    clients = Clients()
    with ExitStack() as stack:
        async with balancing(2 * CLIENTS) as balancer:
            replicas = Replicas(database_url, balancer, stack, **overrides)
            await asyncio.gather(*(replicas.start() for _ in range(REPLICAS)))
            await balancer.expect_ready(REPLICAS)
            calling = [clients.call(port) for port in balancer.ports[:CLIENTS]]
            calling += [asyncio.to_thread(clients.call_sync, port) for port in balancer.ports[CLIENTS:]]
            under_load = asyncio.gather(*calling)
            try:
                codes = [await replicas.replace(replica) for replica in list(replicas.running)]
            finally:
                clients.is_over.set()
                await under_load
    return clients, codes


@pytest.mark.timeout(300)
async def test_no_call_fails_while_every_replica_is_replaced(fresh_database_url: str) -> None:
    clients, codes = await roll(fresh_database_url, SHUTDOWN_PAUSE_SECONDS="2")

    assert clients.failures == []
    assert codes == [0] * REPLICAS
    with psycopg.connect(fresh_database_url) as connection:
        stored = [slug for (slug,) in connection.execute("SELECT slug FROM teams").fetchall()]
    assert len(clients.created) > 100
    assert sorted(stored) == sorted(clients.created)
