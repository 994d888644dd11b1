"""Audit rows as the service writes and seals them, and changes that only the owner of the tables can make."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from stagely.v1 import audit_pb2
from stagely_rpc.audit.chain import ChainKey
from stagely_rpc.audit.sealer import Sealer
from stagely_rpc.db.audit_entries import Entry, append_query
from tests.support.databases import database_at
from tests.support.rpc import ENCRYPTION_KEY
from tests.support.teams import make_team

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub
    from stagely_rpc.db.database import Database

KEY = ChainKey(bytes.fromhex(ENCRYPTION_KEY))

Row = tuple[Any, ...]

ROWS = 6
"""The length of the chain of `make_sealed_team`: one row for the creation of the team, and five more."""


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database without a server."""
    db = database_at(url)
    try:
        yield db
    finally:
        await db.close()


def make_entry(team_id: uuid.UUID | str | None = None, **overrides: Any) -> Entry:
    given: dict[str, Any] = {
        "action": "secret.access",
        "resource_type": "secret",
        "resource_id": uuid.uuid4(),
        "team_id": None if team_id is None else uuid.UUID(str(team_id)),
        "project_id": uuid.uuid4(),
        "details": {"key": "TOKEN", "version": 3},
        "actor_id": uuid.uuid4(),
        "actor_email": "ada@example.com",
        "actor_service": "api",
        "actor_ip": None,
        "request_id": "r-1",
    }
    return Entry(**(given | overrides))


async def write(db: Database, *entries: Entry) -> None:
    await db.ask(append_query(entries))


async def make_chain(url: str, team_id: str | None, rows: int) -> None:
    """Write rows of a team, each in its own transaction, and seal them."""
    async with opened(url) as db:
        for number in range(rows):
            await write(db, make_entry(team_id, action=f"test.{number}"))
    await seal_all(url, team_id)


async def seal_all(url: str, team_id: str | None) -> None:
    """Seal queued rows until none of a team is left. A server's sealer may run at the same time."""
    queued = (
        "SELECT FROM audit_unsealed JOIN audit_logs ON id = audit_log_id WHERE team_id IS NOT DISTINCT FROM %s::uuid"
    )
    async with opened(url) as db, await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        sealer = Sealer(db, KEY)
        while await rows_of(connection, queued, team_id):
            await sealer.seal()


async def rows_of(connection: psycopg.AsyncConnection[Row], query: str, *values: object) -> Sequence[Row]:
    return await (await connection.execute(query.encode(), values)).fetchall()


async def ids_of(url: str, team_id: str) -> list[uuid.UUID]:
    """Return the ids of the rows of a chain, in the order of the chain."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        query = "SELECT audit_log_id FROM audit_seals WHERE chain = %s ORDER BY position"
        return [row[0] for row in await rows_of(connection, query, team_id)]


async def head_of(url: str, team_id: str) -> dict[str, Any]:
    """Return the row that stores the end of a chain."""
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        cursor = await connection.execute("SELECT * FROM audit_chain_heads WHERE chain = %s", [team_id])
        head = await cursor.fetchone()
    assert head
    return head


_TRIGGERS_OFF = "ALTER TABLE audit_logs DISABLE TRIGGER USER; ALTER TABLE audit_seals DISABLE TRIGGER USER"
_TRIGGERS_ON = "ALTER TABLE audit_logs ENABLE TRIGGER USER; ALTER TABLE audit_seals ENABLE TRIGGER USER"


async def tamper(url: str, *statements: LiteralString | sql.Composed, **values: Any) -> None:
    """Change append-only tables in one transaction, as their owner, with the triggers disabled."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(_TRIGGERS_OFF)
        for statement in statements:
            changed = await connection.execute(statement, values)
            assert changed.rowcount, statement
        await connection.execute(_TRIGGERS_ON)


async def swap_seals(url: str, one: uuid.UUID, other: uuid.UUID, columns: Sequence[str]) -> None:
    """Swap columns between the seals of two rows, of one chain or of two."""
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        cursor = await connection.execute("SELECT * FROM audit_seals WHERE audit_log_id IN (%s, %s)", [one, other])
        here, there = await cursor.fetchall()
    free_ids = "UPDATE audit_seals SET audit_log_id = gen_random_uuid() WHERE audit_log_id IN (%(one)s, %(other)s)"
    await tamper(url, free_ids, one=one, other=other)
    for place, seal in ((here, there), (there, here)):
        values = place | {column: seal[column] for column in columns}
        put = "UPDATE audit_seals SET (audit_log_id, row_hash, hash) = (%(audit_log_id)s, %(row_hash)s, %(hash)s)"
        await tamper(url, put + " WHERE chain = %(chain)s AND position = %(position)s", **values)


@dataclass(frozen=True)
class Verification:
    """All messages of a verification."""

    progress: list[audit_pb2.VerificationProgress]
    verdict: audit_pb2.Verdict

    @property
    def fault(self) -> tuple[str, int, str] | None:
        """The kind, the position and the row id of the fault; None if there is no fault."""
        if not self.verdict.HasField("fault"):
            return None
        fault = self.verdict.fault
        return audit_pb2.AuditFaultKind.Name(fault.kind), fault.position, fault.audit_log_id


async def verify(
    audit: AuditServiceAsyncStub, team_id: str | None, anchor: audit_pb2.ChainPlace | None = None
) -> Verification:
    request = audit_pb2.VerifyAuditLogRequest(team_id=team_id, anchor=anchor)
    steps = [step async for step in audit.VerifyAuditLog(request)]
    assert [step.WhichOneof("step") for step in steps] == ["progress"] * (len(steps) - 1) + ["verdict"]
    return Verification([step.progress for step in steps[:-1]], steps[-1].verdict)


async def make_sealed_team(teams: TeamServiceAsyncStub, database_url: str) -> str:
    team = await make_team(teams)
    await make_chain(database_url, team.id, ROWS - 1)
    return team.id
