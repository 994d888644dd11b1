from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Mapper

from tests.support.plans.asking import Asker
from tests.support.plans.lists import LISTS, cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stagely_rpc.db.driver.pool import ConnectionPool
    from tests.support.plans.world import World


@contextmanager
def loaded() -> Iterator[list[object]]:
    """Collect the objects that SQLAlchemy makes of rows during the block."""
    made: list[object] = []

    def note(target: object, _: object) -> None:
        made.append(target)

    event.listen(Mapper, "load", note)
    try:
        yield made
    finally:
        event.remove(Mapper, "load", note)


@pytest.mark.parametrize("name", LISTS)
async def test_no_object_is_made_of_the_rows_of_a_list(world: World, pool: ConnectionPool, name: str) -> None:
    case: Any = dict(cases(name, world.keys))["all, first"]
    async with await pool.lease() as lease:
        with loaded() as made:
            found = await case(Asker(pool, lease, noted=[]), world.keys)

    assert found.rows
    assert made == []
