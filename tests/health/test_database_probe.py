"""The database probe when the database hangs: at most one connection of the probe hangs."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from stagely_rpc.db.schema.revision import needed_revision
from stagely_rpc.health import Cause, DatabaseProbe, HealthServicer, Prober, UnhealthyError, schema_check
from tests.support.eventually import eventually
from tests.support.relay import relay_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.relay import Relay

CHECKS = 5
TIMEOUT_SECONDS = 0.2


@asynccontextmanager
async def probing(relay: Relay) -> AsyncIterator[tuple[Prober, list[Cause | None]]]:
    """A prober that checks only when a test calls it, and the causes that it reported."""
    probe = DatabaseProbe(relay.url, schema_check(needed_revision()))
    reported: list[Cause | None] = []
    prober = Prober(
        probe, HealthServicer([]), interval_seconds=1, timeout_seconds=TIMEOUT_SECONDS, on_change=reported.append
    )
    try:
        yield prober, reported
    finally:
        relay.thaw()
        await probe.close()


async def check_until(prober: Prober, reported: list[Cause | None], cause: Cause | None) -> None:
    async def check() -> Cause | None:
        await prober.check()
        return reported[-1]

    await eventually(check, cause, seconds=20)


async def test_database_that_hangs_during_a_check_holds_one_connection_and_recovers(
    database_url: str,
) -> None:
    async with relay_to(database_url) as relay, probing(relay) as (prober, reported):
        await check_until(prober, reported, None)
        relay.freeze()

        for _ in range(CHECKS):
            await prober.check()
        assert reported[-1] is Cause.DATABASE_SILENT
        assert relay.most_open == 1

        relay.thaw()
        await check_until(prober, reported, None)
        assert relay.open == 1


async def test_connection_attempt_to_a_hung_database_spans_several_checks(database_url: str) -> None:
    async with relay_to(database_url) as relay, probing(relay) as (prober, reported):
        relay.freeze()

        for _ in range(CHECKS):
            await prober.check()
        assert reported == [Cause.DATABASE_SILENT]
        assert relay.accepted == 1

        relay.thaw()
        await check_until(prober, reported, None)
        assert relay.accepted == 1


async def test_connection_attempt_that_times_out_is_started_again(database_url: str) -> None:
    async with relay_to(database_url) as relay:
        relay.freeze()
        probe = DatabaseProbe(relay.url)
        try:
            with pytest.raises(UnhealthyError, match="did not answer within 2 s") as silent:
                await probe()
            assert silent.value.cause is Cause.DATABASE_SILENT

            relay.thaw()
            await probe()
        finally:
            await probe.close()
        assert relay.accepted == 2


async def test_probe_that_is_closed_while_it_connects_leaves_no_connection_open(database_url: str) -> None:
    async with relay_to(database_url) as relay:
        relay.freeze()
        probe = DatabaseProbe(relay.url)
        checking = asyncio.create_task(probe())

        async def open_connections() -> int:
            return relay.open

        await eventually(open_connections, 1)
        checking.cancel()
        await asyncio.wait({checking})

        await probe.close()

        await eventually(open_connections, 0)


async def test_database_without_a_schema_fails_as_schema_behind(empty_database_url: str) -> None:
    probe = DatabaseProbe(empty_database_url, schema_check(needed_revision()))
    try:
        for _ in range(2):
            with pytest.raises(UnhealthyError, match="schema is missing") as behind:
                await probe()
            assert behind.value.cause is Cause.SCHEMA_BEHIND
    finally:
        await probe.close()
