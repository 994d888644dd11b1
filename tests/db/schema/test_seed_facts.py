"""The schema at revision 014 equals the plan: the catalogs of a migrated and of a planned database are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from tests.support.schema.catalog import Schema, of_table, tables_of, triggers_of
from tests.support.schema.seed_facts import KEY, TABLES, UPDATED_AT_FUNCTION_COMMENT, UPDATED_AT_TABLES, TableFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import PostgresServer


@pytest.fixture(scope="module")
def planned(postgres_server: PostgresServer) -> Iterator[Schema]:
    """The schema created from the facts."""
    url = postgres_server.create_database()
    with psycopg.connect(url) as connection:
        for statements in (_create_table, _add_foreign_keys, _create_indexes, _write_comments):
            for table, facts in TABLES.items():
                for statement in statements(table, facts):
                    connection.execute(statement.encode())
        schema = tables_of(connection)
    yield schema
    postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def migrated(seed_url: str) -> Iterator[psycopg.Connection]:
    """A database at revision 014."""
    with psycopg.connect(seed_url) as connection:
        yield connection


@pytest.mark.parametrize("table", TABLES)
def test_table_equals_the_plan(table: str, planned: Schema, migrated: psycopg.Connection) -> None:
    assert of_table(tables_of(migrated), table) == of_table(planned, table)


def test_there_are_no_other_tables(planned: Schema, migrated: psycopg.Connection) -> None:
    assert tables_of(migrated).keys() == planned.keys()


def test_triggers_set_updated_at_as_planned(migrated: psycopg.Connection) -> None:
    triggers = {
        f"trigger {table}.update_{table}_updated_at": (
            f"CREATE TRIGGER update_{table}_updated_at BEFORE UPDATE ON public.{table}"
            " FOR EACH ROW EXECUTE FUNCTION update_updated_at_column()"
        )
        for table in UPDATED_AT_TABLES
    }

    assert triggers_of(migrated) == triggers | {"function update_updated_at_column": UPDATED_AT_FUNCTION_COMMENT}


def _create_table(table: str, facts: TableFacts) -> list[str]:
    lines = [f"id {KEY}"]
    lines += [f"{column} {kind}" for column, kind in facts.columns.items()]
    lines += [f"CONSTRAINT {name} CHECK ({expression})" for name, expression in facts.checks.items()]
    lines += [f"CONSTRAINT {name} UNIQUE ({columns})" for name, columns in facts.uniques.items()]
    return [f"CREATE TABLE {table} ({', '.join(lines)})"]


def _add_foreign_keys(table: str, facts: TableFacts) -> list[str]:
    return [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {other} (id) ON DELETE {action}"
        for name, (column, other, action) in facts.foreign_keys.items()
    ]


def _create_indexes(table: str, facts: TableFacts) -> list[str]:
    return [f"CREATE INDEX {name} ON {table} {definition}" for name, definition in facts.indexes.items()]


def _write_comments(table: str, facts: TableFacts) -> list[str]:
    comments = {f"TABLE {table}": facts.comment}
    comments |= {f"COLUMN {table}.{column}": comment for column, comment in facts.column_comments.items()}
    return [f"COMMENT ON {what} IS {sql.Literal(comment).as_string()}" for what, comment in comments.items()]
