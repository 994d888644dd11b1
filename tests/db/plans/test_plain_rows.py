from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Mapper

from tests.support.plans.lists import LISTS, cases
from tests.support.plans.recording import RecordingSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.world import World


@contextmanager
def loaded() -> Iterator[list[object]]:
    """Collect the ORM objects that SQLAlchemy creates during the block."""
    made: list[object] = []

    def collect(target: object, _: object) -> None:
        made.append(target)

    event.listen(Mapper, "load", collect)
    try:
        yield made
    finally:
        event.remove(Mapper, "load", collect)


@pytest.mark.parametrize("name", LISTS)
async def test_list_creates_no_orm_objects(world: World, pool: ConnectionPool, name: str) -> None:
    case: Any = dict(cases(name, world.keys))["all, first"]
    async with await pool.lease() as lease:
        with loaded() as made:
            found = await case(RecordingSession(pool, lease, recorded=[]), world.keys)

    assert found.rows
    assert made == []
