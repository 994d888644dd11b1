from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stagely_rpc.process.shares import divided, shares
from tests.support.rpc import settings_of


@given(total=st.integers(0, 100_000), parts=st.integers(1, 256))
def test_parts_differ_by_at_most_one_and_add_up_to_the_total(total: int, parts: int) -> None:
    found = divided(total, parts)

    assert len(found) == parts
    assert sum(found) == total
    assert max(found) - min(found) <= 1


def test_each_worker_gets_a_share_of_each_limit() -> None:
    settings = settings_of(
        "postgresql://db/stagely",
        workers=3,
        database_pool_size=8,
        database_pool_idle=2,
        max_concurrent_rpcs=100,
        max_concurrent_streams=50,
    )

    found = shares(settings)

    assert {name: [share[name] for share in found] for name in found[0]} == {
        "DATABASE_POOL_SIZE": ["3", "3", "2"],
        "DATABASE_POOL_IDLE": ["1", "1", "0"],
        "MAX_CONCURRENT_RPCS": ["34", "33", "33"],
        "MAX_CONCURRENT_STREAMS": ["17", "17", "16"],
    }


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_total_equal_to_the_number_of_parts_gives_ones(parts: int) -> None:
    assert divided(parts, parts) == [1] * parts
