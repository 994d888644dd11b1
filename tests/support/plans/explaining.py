"""Plans of statements: for the values that were sent (custom), and for any values (generic)."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stagely_rpc.db.sql.statement import Query

# The value for a database in memory. With the default of 4, PostgreSQL would use an index only for larger tables.
RANDOM_PAGE_COST = 1.1

PlanKind = Literal["custom", "generic"]
"""PostgreSQL plans the first executions for their values (custom). It may plan later ones for any values (generic)."""

# audit_unsealed is not one of them, because sealing empties it.
GROWING = frozenset(
    {
        "audit_chain_heads",
        "audit_logs",
        "audit_seals",
        "cloud_providers",
        "data_keys",
        "environments",
        "idempotency_keys",
        "projects",
        "secrets",
        "team_members",
        "teams",
        "users",
    }
)

_NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class SentStatement:
    """A statement as sent, with the parameters `$1`, `$2` and so on, and its values."""

    text: str
    values: Sequence[Any]

    @classmethod
    def of_query(cls, query: Query[Any]) -> SentStatement:
        """Return the statement that the pipeline sends for a query."""
        return cls(query.statement.text.decode(), query.values)

    @classmethod
    def of_driver(cls, text: str, values: Mapping[str, Any] | None) -> SentStatement:
        """Return the statement that psycopg sends for one with named placeholders."""
        names = list(dict.fromkeys(_NAMED.findall(text)))
        numbered = _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
        return cls(numbered, [(values or {})[name] for name in names])


@dataclass
class Node:
    """A step of a plan."""

    kind: str
    table: str | None
    index: str | None
    condition: str
    rows: int
    removed: int
    inner: list[Node] = field(repr=False)

    @classmethod
    def read(cls, plan: Mapping[str, Any]) -> Node:
        """Return a step and its inner steps, from the output of EXPLAIN."""
        loops = plan.get("Actual Loops", 1)
        return cls(
            kind=plan["Node Type"],
            table=plan.get("Relation Name"),
            index=plan.get("Index Name"),
            condition=plan.get("Index Cond", ""),
            rows=round(plan.get("Actual Rows", 0) * loops),
            removed=round(plan.get("Rows Removed by Filter", 0) * loops),
            inner=[cls.read(each) for each in plan.get("Plans", ())],
        )

    def walk(self) -> Iterator[Node]:
        """Yield this step and all inner steps."""
        yield self
        for each in self.inner:
            yield from each.walk()


@dataclass(frozen=True)
class Plan:
    """An executed plan. Its changes were rolled back."""

    top: Node
    buffers: int

    @property
    def scanned(self) -> set[str]:
        """The growing tables with a sequential scan."""
        return {node.table for node in self.top.walk() if node.kind == "Seq Scan" and node.table in GROWING}

    @property
    def sorted_rows(self) -> int:
        """The number of rows of the largest sort. -1 without a sort."""
        sorts = [node for node in self.top.walk() if node.kind in {"Sort", "Incremental Sort"}]
        return max((sum(below.rows for below in node.inner) for node in sorts), default=-1)

    @property
    def discarded_rows(self) -> int:
        """The largest number of rows that one step filtered out."""
        return max(node.removed for node in self.top.walk())


class Explainer:
    """Explains statements on its own connection."""

    def __init__(self, url: str) -> None:
        options = f"-c random_page_cost={RANDOM_PAGE_COST}"
        self._connection = psycopg.connect(url, cursor_factory=psycopg.RawCursor, options=options)

    def close(self) -> None:
        self._connection.close()

    def plan(self, statement: SentStatement, kind: PlanKind) -> Plan:
        """Execute a statement with a plan of this kind, and roll it back."""
        with self._rolled_back():
            self._connection.execute(f"SET LOCAL plan_cache_mode = force_{kind}_plan".encode())
            self._connection.execute(f"PREPARE explained AS {statement.text}".encode())
            explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained{}")
            values = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, statement.values)))
            row = self._connection.execute(explain.format(values if statement.values else sql.SQL(""))).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return Plan(Node.read(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._connection.rollback()
            self._connection.execute("DEALLOCATE ALL")
            self._connection.commit()
