"""The schema of a database from PostgreSQL's catalogs, as text that can be compared and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

from psycopg import sql

if TYPE_CHECKING:
    import psycopg

Schema = dict[str, str]
"""The definition by the name of the object, such as `column teams.slug`."""

_OWN_TABLES = sql.SQL("relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'")
_TABLES = """
    SELECT 'table ' || relname, coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class WHERE {own_tables}
"""
_COLUMNS = """
    SELECT format('column %s.%s', relname, attname),
           concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'NOT NULL' END,
                     'DEFAULT ' || pg_get_expr(adbin, adrelid), '-- ' || col_description(pg_class.oid, attnum))
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = pg_class.oid AND adnum = attnum
    WHERE {own_tables}
"""
# PostgreSQL 18 also lists NOT NULL as constraints (n). Here, NOT NULL is part of the column.
_CONSTRAINTS = """
    SELECT format('constraint %s.%s', relname, conname), pg_get_constraintdef(pg_constraint.oid)
    FROM pg_class JOIN pg_constraint ON conrelid = pg_class.oid WHERE contype <> 'n' AND {own_tables}
"""
_INDEXES = """
    SELECT format('index %s.%s', relname, indexrelid::regclass),
           pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_class JOIN pg_index ON indrelid = pg_class.oid WHERE {own_tables}
"""
_TRIGGERS = """
    SELECT format('trigger %s.%s', relname, tgname), pg_get_triggerdef(pg_trigger.oid)
    FROM pg_class JOIN pg_trigger ON tgrelid = pg_class.oid WHERE NOT tgisinternal AND {own_tables}
"""
_FUNCTIONS = """
    SELECT 'function ' || proname, coalesce(obj_description(oid, 'pg_proc'), '')
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""


def tables_of(connection: psycopg.Connection) -> Schema:
    """Return the tables with their columns, constraints, indexes and comments."""
    return _read(connection, _TABLES, _COLUMNS, _CONSTRAINTS, _INDEXES)


def triggers_of(connection: psycopg.Connection) -> Schema:
    """Return the triggers with their definitions, and the functions with their comments."""
    return _read(connection, _TRIGGERS, _FUNCTIONS)


def of_table(schema: Schema, table: str) -> Schema:
    """Return the part of a schema that belongs to one table."""
    return {name: definition for name, definition in schema.items() if name.split(" ")[1].split(".")[0] == table}


def _read(connection: psycopg.Connection, *queries: LiteralString) -> Schema:
    complete = [sql.SQL(query).format(own_tables=_OWN_TABLES) for query in queries]
    return {name: definition for query in complete for name, definition in connection.execute(query)}
