"""The private interfaces of SQLAlchemy and psycopg that `stagely_rpc.db` uses.

pyproject.toml pins the minor versions of both libraries. To take a new minor version, check these names in it, and
raise the pin here and in pyproject.toml.
"""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version

import psycopg
import pytest
from psycopg import generators, pq
from psycopg.adapt import Transformer
from sqlalchemy import AsyncAdaptedQueuePool, Connection, bindparam, select, util
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.sql.compiler import SQLCompiler

from tests.support.markers import ROOT

PINNED = {"sqlalchemy": ("2.1", "<2.2"), "psycopg": ("3.3", "<3.4")}


@pytest.mark.parametrize("library", PINNED)
def test_library_is_pinned_to_its_minor_version(library: str) -> None:
    minor, below = PINNED[library]
    requirements = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["server"]

    assert version(library).startswith(f"{minor}.")
    assert any(each.startswith(f"{library}[") and each.endswith(below) for each in requirements)


def test_pool_has_the_names_for_trimming() -> None:
    pool = AsyncAdaptedQueuePool(lambda: None)  # type: ignore[arg-type] # never connects

    assert callable(pool._dec_overflow)
    assert "block" in inspect.signature(pool._pool.get).parameters


def test_connection_accepts_a_connection_of_the_pool() -> None:
    assert "connection" in inspect.signature(Connection.__init__).parameters
    assert inspect.iscoroutinefunction(util.greenlet_spawn)


def test_compiled_statement_has_the_order_and_the_types_of_its_parameters() -> None:
    dialect = PGDialectAsync_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    compiled = select(bindparam("b"), bindparam("a")).compile(dialect=dialect)

    assert isinstance(compiled, SQLCompiler)
    assert list(compiled.positiontup or ()) == ["b", "a"]
    assert compiled.binds.keys() == {"a", "b"}


def test_psycopg_has_the_names_for_the_pipeline() -> None:
    assert callable(generators.pipeline_communicate)
    assert callable(generators.fetch_many)
    assert callable(psycopg.AsyncConnection.wait)
    for name in ("dump_sequence", "set_pgresult", "load_rows"):
        assert callable(getattr(Transformer, name))
    for name in ("send_prepare", "send_query_prepared", "send_query_params", "send_close_prepared", "pipeline_sync"):
        assert callable(getattr(pq.PGconn, name))
