"""What PostgreSQL says of statements: their plans, for the values that they were asked with and for any values."""

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

# Of a database in memory. The usual 4 is of disks, where an index is worth it for more rows than a test has.
RANDOM_PAGE_COST = 1.1

PlanKind = Literal["custom", "generic"]
"""Of these values, as PostgreSQL plans the first executions; or of any, as it may plan the later ones."""

# The queue of the trail is not among them: it is emptied as it is filled.
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
class Asked:
    """A statement as PostgreSQL got it, with `$1`, `$2`…, and its values."""

    text: str
    values: Sequence[Any]

    @classmethod
    def of_query(cls, query: Query[Any]) -> Asked:
        """Return what the service's own pipeline sends."""
        return cls(query.statement.text.decode(), query.values)

    @classmethod
    def of_driver(cls, text: str, values: Mapping[str, Any] | None) -> Asked:
        """Return what psycopg makes of a statement with named placeholders."""
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
        """Return a step, and those below it, as EXPLAIN describes it."""
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
        """Yield this step and all below it."""
        yield self
        for each in self.inner:
            yield from each.walk()


@dataclass(frozen=True)
class Plan:
    """A plan, as it was executed: whatever it changed was rolled back."""

    top: Node
    buffers: int

    @property
    def scanned(self) -> set[str]:
        """The growing tables that are read from end to end."""
        return {node.table for node in self.top.walk() if node.kind == "Seq Scan" and node.table in GROWING}

    @property
    def sorted_rows(self) -> int:
        """How many rows the largest sort got."""
        sorts = [node for node in self.top.walk() if node.kind in {"Sort", "Incremental Sort"}]
        return max((sum(below.rows for below in node.inner) for node in sorts), default=-1)

    @property
    def passed_rows(self) -> int:
        """How many rows a walk passed that were not wanted."""
        return max(node.removed for node in self.top.walk())


class Explainer:
    """A connection on which statements are explained."""

    def __init__(self, url: str) -> None:
        options = f"-c random_page_cost={RANDOM_PAGE_COST}"
        self._connection = psycopg.connect(url, cursor_factory=psycopg.RawCursor, options=options)

    def close(self) -> None:
        self._connection.close()

    def plan(self, asked: Asked, kind: PlanKind) -> Plan:
        """Execute a statement by a plan of this kind, and undo what it did."""
        with self._undone():
            self._connection.execute(f"SET LOCAL plan_cache_mode = force_{kind}_plan".encode())
            self._connection.execute(f"PREPARE explained AS {asked.text}".encode())
            explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE explained{}")
            values = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, asked.values)))
            row = self._connection.execute(explain.format(values if asked.values else sql.SQL(""))).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        return Plan(Node.read(plan), plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    @contextmanager
    def _undone(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._connection.rollback()
            self._connection.execute("DEALLOCATE ALL")
            self._connection.commit()
