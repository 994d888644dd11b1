"""The benchmark measures nothing here; it is run so that it still runs when someone wants to know."""

from __future__ import annotations

import psycopg

from benchmarks import audit_chain
from tests.support.audit import rows_of


async def test_every_way_is_measured_and_every_row_written(fresh_database_url: str) -> None:
    found = await audit_chain.measure(fresh_database_url, rounds=1, seconds=0.05, clients=2)

    ways = (audit_chain.PLAIN, audit_chain.AT_WRITE, audit_chain.QUEUED, audit_chain.SEALER)
    assert found.keys() == {(way, teams) for way in ways for teams in ("one team", "many teams")}
    assert all(measured.writes_per_second for rounds in found.values() for measured in rounds)
    assert audit_chain.rendered(found).row_count == len(found)
    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        counts = await rows_of(
            connection,
            "SELECT (SELECT count(*) FROM secrets), (SELECT count(*) FROM audit_logs), count(*),"
            " (SELECT sum(position) FROM audit_chain_heads) FROM audit_seals",
        )
    secrets, rows, seals, positions = counts[0]
    assert secrets == rows > seals > 0
    assert seals == positions
