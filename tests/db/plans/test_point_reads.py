"""A point read looks up every key of a batch by an index, for every setting of `random_page_cost`."""

from __future__ import annotations

import importlib
import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Integer, Uuid

import stagely_rpc
from stagely_rpc.db.batching.batches import MAX_ITEMS
from stagely_rpc.db.batching.point_read import PointRead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.plans.world import World


def point_reads() -> Iterator[PointRead[Any]]:
    for path in sorted(Path(stagely_rpc.__path__[0]).glob("*/queries.py")):
        for value in vars(importlib.import_module(f"stagely_rpc.{path.parent.name}.queries")).values():
            for each in value.values() if isinstance(value, dict) else [value]:
                if isinstance(each, PointRead):
                    yield each


READS = sorted({read.name: read for read in point_reads()}.values(), key=lambda read: read.name)


def test_there_are_at_least_as_many_point_reads_as_get_rpcs() -> None:
    assert len(READS) >= 16


@pytest.mark.parametrize("cost", [1.1, 4])
@pytest.mark.parametrize("read", READS, ids=lambda read: read.name)
async def test_every_key_is_looked_up_by_an_index(world: World, read: PointRead[Any], cost: float) -> None:
    samples: dict[type, Any] = {Uuid: uuid.uuid4(), Integer: 7}
    keys = [[samples.get(type(column.type), "none")] * MAX_ITEMS for column in read._key]
    query = re.sub(r"\$\d+", "%s", read.statement.text.decode())
    async with await psycopg.AsyncConnection.connect(world.url, autocommit=True) as connection:
        await connection.execute(f"SET random_page_cost = {cost}".encode())
        cursor = await connection.execute(f"EXPLAIN {query}".encode(), keys)
        plan = [line for (line,) in await cursor.fetchall()]

    assert not [line for line in plan if "Seq Scan" in line or "Hash" in line], plan
