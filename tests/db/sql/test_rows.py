"""Computed rows equal the rows that the database stores."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import select

from stagely_rpc.db.models import Base
from stagely_rpc.db.models.rows import (
    MODEL_OF,
    CloudProviderRow,
    EnvironmentRow,
    ProjectRow,
    SecretRow,
    TeamMemberRow,
    TeamRow,
    UserRow,
)
from stagely_rpc.db.sql.rows import changed_row, new_row, table_of
from stagely_rpc.db.sql.statement import Statement
from tests.support.databases import database_at, reading, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Column

    from stagely_rpc.db.database import Database

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ROW_CLASSES = [row_class for row_class in MODEL_OF if row_class.__name__.endswith("Row")]
WITH_DEFAULT = [
    pytest.param(row_class, column, id=f"{row_class.__name__}.{column.key}")
    for row_class in ROW_CLASSES
    if row_class._fields == tuple(table_of(row_class).columns.keys())
    for column in table_of(row_class).columns
    if column.server_default is not None
]

TEAM = uuid.UUID(int=1)
PROJECT = uuid.UUID(int=2)
USER = uuid.UUID(int=3)
NEW: list[tuple[type[Any], dict[str, Any], dict[str, Any]]] = [
    (TeamRow, {"id": TEAM, "slug": "web", "name": "Web"}, {"name": "Other", "deleted_at": NOW}),
    (UserRow, {"id": USER, "email": "ada@example.com", "name": "Ada"}, {"is_active": False, "github_id": "1"}),
    (TeamMemberRow, {"team_id": TEAM, "user_id": USER}, {"role": "owner"}),
    (
        CloudProviderRow,
        {"team_id": TEAM, "name": "a", "provider_type": "aws", "encrypted_credentials": "x"},
        {"name": "b"},
    ),
    (
        ProjectRow,
        {"id": PROJECT, "team_id": TEAM, "slug": "web", "name": "Web", "repo_url": "https://example.com/web"},
        {"config": {"a": [1, {"b": None}]}, "is_active": False},
    ),
    (
        EnvironmentRow,
        {"project_id": PROJECT, "branch_name": "main", "commit_hash": "a" * 40, "subdomain_hash": "env-1"},
        {"status": "building", "estimated_cost_usd": Decimal("1.5"), "vm_ip": None},
    ),
    (SecretRow, {"project_id": PROJECT, "key": "A", "encrypted_value": "x"}, {"scope": "backend"}),
]


@pytest.fixture(scope="module")
async def db(postgres_server: Any, template_database: str) -> AsyncIterator[Database]:
    url = postgres_server.create_database(template_database)
    db = database_at(url)
    yield db
    await db.close()
    postgres_server.drop_database(url)


async def stored(db: Database, row: Any) -> Any:
    table = table_of(type(row))
    async with reading(db) as session:
        (found,) = await session.ask(Statement(select(table).where(table.c.id == row.id), type(row)).first())
    return found


async def test_computed_rows_equal_the_stored_rows(db: Database) -> None:
    for row_class, values, changes in NEW:
        async with writing(db) as session:
            await session.begin()
            made = session.insert(row_class, values)
        assert await stored(db, made) == made

        async with writing(db) as session:
            await session.begin()
            changed = session.update(made, changes)
        assert await stored(db, made) == changed
        assert changed != made


async def test_update_without_a_difference_writes_nothing(db: Database) -> None:
    async with writing(db) as session:
        await session.begin()
        made = session.insert(UserRow, {"email": "same@example.com", "name": "Same"})
    async with writing(db) as session:
        await session.begin()

        assert session.update(made, {"name": "Same"}) is made

    assert await stored(db, made) == made


def test_every_table_has_a_row_class_with_its_columns() -> None:
    fields = {row_class._fields for row_class in ROW_CLASSES}

    assert all(tuple(table.columns.keys()) in fields for table in Base.metadata.tables.values())


@pytest.mark.parametrize(("row_class", "column"), WITH_DEFAULT)
async def test_computed_default_equals_the_column_default(
    database_url: str, row_class: type[Any], column: Column[Any]
) -> None:
    required: dict[str, Any] = dict.fromkeys(table_of(row_class).columns.keys())
    del required[column.key]
    value = getattr(new_row(row_class, required, NOW), column.key)

    query = (
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
        " WHERE adrelid = %s::regclass AND attname = %s"
    )
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        (expression,) = await (await connection.execute(query, [table_of(row_class).name, column.name])).fetchone() or (
            "",
        )
        cursor = await connection.execute(f"SELECT {expression}")
        (default,) = await cursor.fetchone() or (None,)
    if isinstance(default, uuid.UUID):
        assert isinstance(value, uuid.UUID)
    elif isinstance(default, datetime):
        assert value == NOW
    else:
        assert (type(value), value) == (type(default), default)


def test_unknown_column_is_refused() -> None:
    with pytest.raises(KeyError, match="TeamRow has no colour"):
        new_row(TeamRow, {"slug": "web", "name": "Web", "colour": "red"}, NOW)


def test_row_without_updated_at_keeps_its_columns() -> None:
    row = new_row(TeamMemberRow, {"team_id": TEAM, "user_id": USER}, NOW)

    assert changed_row(row, {"role": "owner"}, NOW)._fields == row._fields
    assert changed_row(row, {"role": "owner"}, NOW).row_version == row.row_version + 1
