"""The probe of a database that hangs: no connection more than one hangs with it."""

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

LOOKS = 5
TIMEOUT_SECONDS = 0.2


@asynccontextmanager
async def probing(relay: Relay) -> AsyncIterator[tuple[Prober, list[Cause | None]]]:
    """A prober that looks when it is told to, and what it has told."""
    probe = DatabaseProbe(relay.url, schema_check(needed_revision()))
    told: list[Cause | None] = []
    prober = Prober(
        probe, HealthServicer([]), interval_seconds=1, timeout_seconds=TIMEOUT_SECONDS, on_change=told.append
    )
    try:
        yield prober, told
    finally:
        relay.thaw()
        await probe.close()


async def look_until(prober: Prober, told: list[Cause | None], cause: Cause | None) -> None:
    async def look() -> Cause | None:
        await prober.look()
        return told[-1]

    await eventually(look, cause, seconds=20)


async def test_database_that_hangs_amid_a_look_holds_one_connection_and_is_back_when_it_answers(
    database_url: str,
) -> None:
    async with relay_to(database_url) as relay, probing(relay) as (prober, told):
        await look_until(prober, told, None)
        relay.freeze()

        for _ in range(LOOKS):
            await prober.look()
        assert told[-1] is Cause.DATABASE_SILENT
        assert relay.most_open == 1

        relay.thaw()
        await look_until(prober, told, None)
        assert relay.open == 1


async def test_connecting_to_a_database_that_hangs_goes_on_over_several_looks(database_url: str) -> None:
    async with relay_to(database_url) as relay, probing(relay) as (prober, told):
        relay.freeze()

        for _ in range(LOOKS):
            await prober.look()
        assert told == [Cause.DATABASE_SILENT]
        assert relay.taken == 1

        relay.thaw()
        await look_until(prober, told, None)
        assert relay.taken == 1


async def test_connecting_that_takes_too_long_is_begun_anew(database_url: str) -> None:
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
        assert relay.taken == 2


async def test_probe_that_is_closed_while_it_connects_leaves_nothing_open(database_url: str) -> None:
    async with relay_to(database_url) as relay:
        relay.freeze()
        probe = DatabaseProbe(relay.url)
        looking = asyncio.create_task(probe())

        async def open_connections() -> int:
            return relay.open

        await eventually(open_connections, 1)
        looking.cancel()
        await asyncio.wait({looking})

        await probe.close()

        await eventually(open_connections, 0)


async def test_database_without_a_schema_is_behind(empty_database_url: str) -> None:
    probe = DatabaseProbe(empty_database_url, schema_check(needed_revision()))
    try:
        for _ in range(2):
            with pytest.raises(UnhealthyError, match="schema is missing") as behind:
                await probe()
            assert behind.value.cause is Cause.SCHEMA_BEHIND
    finally:
        await probe.close()
