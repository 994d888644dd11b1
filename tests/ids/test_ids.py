from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING

import grpc
import pytest

from stagely.v1 import id_pb2
from stagely_rpc.ids.inputs import IdBatch
from stagely_rpc.ids.service import new_id, new_ids
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.id_pb2_grpc import IdServiceAsyncStub


async def generated(ids: IdServiceAsyncStub, **given: int) -> str:
    return (await ids.GenerateId(id_pb2.GenerateIdRequest(**given))).id


async def generated_batch(ids: IdServiceAsyncStub, **given: int) -> list[str]:
    return list((await ids.GenerateIds(id_pb2.GenerateIdsRequest(**given))).ids)


async def test_default_length_is_12(ids: IdServiceAsyncStub) -> None:
    assert re.fullmatch(r"[a-z0-9]{12}", await generated(ids))


@pytest.mark.parametrize("length", [0, 1, 12, 63, 64])
async def test_id_has_the_requested_length(ids: IdServiceAsyncStub, length: int) -> None:
    assert re.fullmatch(rf"[a-z0-9]{{{length}}}", await generated(ids, length=length))


@pytest.mark.parametrize("length", [-1, 65, 2**31 - 1, -(2**31)])
async def test_length_out_of_range_is_refused(ids: IdServiceAsyncStub, length: int) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="length"):
        await generated(ids, length=length)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="length"):
        await generated_batch(ids, count=2, length=length)


async def test_ids_of_a_batch_are_distinct(ids: IdServiceAsyncStub) -> None:
    batch = await generated_batch(ids, count=1000)

    assert len(set(batch)) == 1000
    assert all(re.fullmatch(r"[a-z0-9]{12}", one) for one in batch)


@pytest.mark.parametrize(("length", "count"), [(0, 1), (1, 36), (2, 1000), (64, 1000), (64, 1)])
async def test_ids_are_distinct_if_few_are_possible(ids: IdServiceAsyncStub, length: int, count: int) -> None:
    batch = await generated_batch(ids, length=length, count=count)

    assert len(batch) == len(set(batch)) == count
    assert {len(one) for one in batch} == {length}


@pytest.mark.parametrize(("length", "count", "most"), [(0, 2, 1), (1, 37, 36), (1, 1000, 36)])
async def test_count_above_the_possible_is_refused(ids: IdServiceAsyncStub, length: int, count: int, most: int) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="count") as refusal:
        await generated_batch(ids, length=length, count=count)

    assert f"at most {most}" in refusal.fields["count"]


@pytest.mark.parametrize("count", [-1, 1001, 2**31 - 1])
async def test_count_out_of_range_is_refused(ids: IdServiceAsyncStub, count: int) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="count"):
        await generated_batch(ids, count=count)


async def test_count_is_required(ids: IdServiceAsyncStub) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, field="count") as refusal:
        await generated_batch(ids)

    assert refusal.fields["count"] == "is required"


def test_characters_are_uniformly_distributed() -> None:
    counted = Counter("".join(new_id(64) for _ in range(1000)))

    assert len(counted) == 36
    # 64,000 draws: the expected count of a character is 1,778, with a standard deviation of 42.
    assert all(abs(count - 64_000 / 36) < 6 * 42 for count in counted.values())


async def test_large_batch_does_not_block_the_event_loop() -> None:
    making = asyncio.create_task(new_ids(IdBatch(count=1000, length=64)))
    await asyncio.sleep(0)

    assert not making.done()
    assert len(await making) == 1000
