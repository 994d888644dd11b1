"""Pipelines on a real connection."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import INET, JSONB

from stagely_rpc.db.driver.pipeline import BEGIN, Prepared, run
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
KINDS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "uuid": (Uuid(), st.uuids()),
    "text": (Text(), TEXTS),
    "integer": (Integer(), st.integers(-(2**31), 2**31 - 1)),
    "bigint": (BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "boolean": (Boolean(), st.booleans()),
    "numeric": (Numeric(10, 4), st.decimals(-999999, 999999, places=4)),
    "bytea": (LargeBinary(), st.binary(max_size=40)),
    "time": (DateTime(timezone=True), st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))),  # noqa: DTZ001
    "inet": (INET(), st.ip_addresses(v=4) | st.ip_addresses(v=6)),
    "json": (JSONB(), st.recursive(TEXTS | st.booleans() | st.integers(-9, 9), lambda e: st.lists(e, max_size=3))),
    "uuids": (ARRAY(Uuid()), st.lists(st.uuids(), max_size=4)),
    "texts": (ARRAY(Text()), st.lists(TEXTS | st.just('"{},\\'), max_size=4)),
    "blobs": (ARRAY(LargeBinary()), st.lists(st.binary(max_size=9), max_size=4)),
}
ECHOES = {name: Statement(select(bindparam("value", type_=type_).label("value"))) for name, (type_, _) in KINDS.items()}

ADDED = Statement(select((bindparam("a", type_=BigInteger()) + 1).label("sum")))
DIVIDED = Statement(select((literal_column("1") / bindparam("by", type_=Integer())).label("quotient")))
SLUGS = Statement(select(func.count()).select_from(table("teams")))


@pytest.fixture
async def connection(fresh_database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
async def shared(database_url: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def shared_prepared() -> Prepared:
    """The prepared statements of the shared connection."""
    return Prepared()


async def test_results_are_in_the_order_of_the_queries(connection: psycopg.AsyncConnection[Any]) -> None:
    results = await run(connection, Prepared(), [BEGIN, ADDED.value(a=1), ADDED.all(a=2), ADDED.value(a=3), b"COMMIT"])

    assert [results[0], results[1], results[2][0][0], results[3], results[4]] == [None, 2, 3, 4, None]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
async def test_value_is_returned_unchanged(
    shared: psycopg.AsyncConnection[Any], shared_prepared: Prepared, kind: str, data: st.DataObject
) -> None:
    value = data.draw(KINDS[kind][1] | st.none())

    for prepared in (shared_prepared, None):
        (found,) = await run(shared, prepared, [ECHOES[kind].value(value=value)])

        assert found == value
        assert type(found) is type(value) or isinstance(value, Decimal | IPv4Address | IPv6Address | uuid.UUID)


async def test_statement_is_prepared_once_for_numbers_of_any_size(
    connection: psycopg.AsyncConnection[Any],
) -> None:
    prepared = Prepared()
    for number in (1, 40_000, 2**40):
        assert await run(connection, prepared, [ADDED.value(a=number)]) == [number + 1]

    assert len(prepared.names) == 1


async def test_statement_is_not_prepared_if_preparing_is_off(connection: psycopg.AsyncConnection[Any]) -> None:
    assert await run(connection, None, [ADDED.value(a=1), ADDED.value(a=2)]) == [2, 3]

    assert (await connection.execute("SELECT FROM pg_prepared_statements")).rowcount == 0


async def test_first_failure_is_raised_with_its_statement_and_ends_the_pipeline(
    connection: psycopg.AsyncConnection[Any],
) -> None:
    prepared = Prepared()
    with pytest.raises(psycopg.errors.DivisionByZero) as failed:
        await run(connection, prepared, [ADDED.value(a=1), DIVIDED.value(by=0), SLUGS.value()])

    assert failed.value.__notes__ == [DIVIDED.text.decode()]
    assert set(prepared.names) == {ADDED.text, DIVIDED.text}
    # The connection stays usable, and the skipped statement is prepared now.
    assert await run(connection, prepared, [SLUGS.value(), DIVIDED.value(by=1)]) == [0, 1]


async def test_pipeline_is_one_transaction(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.execute("CREATE TABLE things (name text)")
    count = Statement(select(func.count()).select_from(table("things")))
    insert = _Raw("INSERT INTO things VALUES ('one')")

    with pytest.raises(psycopg.errors.DivisionByZero):
        await run(connection, None, [insert.all(), DIVIDED.value(by=0)])

    assert await run(connection, None, [count.value()]) == [0]
    assert await run(connection, None, [insert.all(), count.value()]) == [[], 1]


class _Raw(Statement[Any]):
    """A statement from SQL text."""

    def __init__(self, text: str) -> None:
        super().__init__(literal_column(text))
        self.__dict__["text"] = text.encode()
