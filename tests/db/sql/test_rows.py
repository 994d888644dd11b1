"""What rows are said to become, and what the database makes of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import inspect, select

from stagely_rpc.db.models import (
    Base,
    CloudProvider,
    Environment,
    Project,
    Secret,
    Team,
    TeamMember,
    User,
)
from stagely_rpc.db.sql.rows import changed_row, new_row
from stagely_rpc.db.sql.statement import Statement
from tests.support.databases import database_at, reading, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Column

    from stagely_rpc.db.database import Database

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MODELS: list[type[Base]] = sorted((mapper.class_ for mapper in Base.registry.mappers), key=lambda model: model.__name__)
WITH_DEFAULT = [
    pytest.param(model, column, id=f"{model.__name__}.{column.key}")
    for model in MODELS
    for column in inspect(model).local_table.columns
    if column.server_default is not None
]

TEAM = uuid.UUID(int=1)
PROJECT = uuid.UUID(int=2)
USER = uuid.UUID(int=3)
NEW: list[tuple[type[Base], dict[str, Any], dict[str, Any]]] = [
    (Team, {"id": TEAM, "slug": "web", "name": "Web"}, {"name": "Other", "deleted_at": NOW}),
    (User, {"id": USER, "email": "ada@example.com", "name": "Ada"}, {"is_active": False, "github_id": "1"}),
    (TeamMember, {"team_id": TEAM, "user_id": USER}, {"role": "owner"}),
    (
        CloudProvider,
        {"team_id": TEAM, "name": "a", "provider_type": "aws", "encrypted_credentials": "x"},
        {"name": "b"},
    ),
    (
        Project,
        {"id": PROJECT, "team_id": TEAM, "slug": "web", "name": "Web", "repo_url": "https://example.com/web"},
        {"config": {"a": [1, {"b": None}]}, "is_active": False},
    ),
    (
        Environment,
        {"project_id": PROJECT, "branch_name": "main", "commit_hash": "a" * 40, "subdomain_hash": "env-1"},
        {"status": "building", "estimated_cost_usd": Decimal("1.5"), "vm_ip": None},
    ),
    (Secret, {"project_id": PROJECT, "key": "A", "encrypted_value": "x"}, {"scope": "backend"}),
]


@pytest.fixture(scope="module")
async def db(postgres_server: Any, template_database: str) -> AsyncIterator[Database]:
    url = postgres_server.create_database(template_database)
    db = database_at(url)
    yield db
    await db.close()
    postgres_server.drop_database(url)


async def stored(db: Database, model: type[Base], row: Any) -> Any:
    statement = Statement(select(inspect(model).local_table).where(inspect(model).local_table.c.id == row.id))
    async with reading(db) as session:
        (found,) = await session.ask(statement.row(model))
    return found


async def test_new_and_changed_rows_are_what_the_database_makes_of_them(db: Database) -> None:
    for model, values, changes in NEW:
        async with writing(db) as session:
            await session.ask()
            made = session.insert(model, values)
        assert await stored(db, model, made) == made

        async with writing(db) as session:
            await session.ask()
            changed = session.update(model, made, changes)
        assert await stored(db, model, made) == changed
        assert changed != made


async def test_row_that_would_stay_the_same_is_not_written(db: Database) -> None:
    async with writing(db) as session:
        await session.ask()
        made = session.insert(User, {"email": "same@example.com", "name": "Same"})
    async with writing(db) as session:
        await session.ask()

        assert session.update(User, made, {"name": "Same"}) is made

    assert await stored(db, User, made) == made


@pytest.mark.parametrize(("model", "column"), WITH_DEFAULT)
async def test_default_is_the_database_s(database_url: str, model: type[Base], column: Column[Any]) -> None:
    required: dict[str, Any] = {each.key: None for each in inspect(model).local_table.columns}
    del required[column.key]
    value = getattr(new_row(model, required, NOW), column.key)

    query = (
        "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum"
        " WHERE adrelid = %s::regclass AND attname = %s"
    )
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        (expression,) = await (await connection.execute(query, [model.__tablename__, column.name])).fetchone() or ("",)
        cursor = await connection.execute(f"SELECT {expression}")
        (default,) = await cursor.fetchone() or (None,)
    if isinstance(default, uuid.UUID):
        assert isinstance(value, uuid.UUID)
    elif isinstance(default, datetime):
        assert value == NOW
    else:
        assert (type(value), value) == (type(default), default)


def test_column_that_is_none_is_refused() -> None:
    with pytest.raises(KeyError, match="Team has no colour"):
        new_row(Team, {"slug": "web", "name": "Web", "colour": "red"}, NOW)


def test_row_without_a_version_or_time_of_change_gets_none() -> None:
    row = new_row(TeamMember, {"team_id": TEAM, "user_id": USER}, NOW)

    assert changed_row(row, {"role": "owner"}, NOW)._fields == row._fields  # type: ignore[attr-defined]
    assert changed_row(row, {"role": "owner"}, NOW).row_version == row.row_version + 1
