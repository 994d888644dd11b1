from __future__ import annotations

import uuid
from dataclasses import asdict
from ipaddress import IPv6Address
from typing import LiteralString

import psycopg
import pytest
from psycopg.rows import dict_row

from stagely_rpc.db.audit_entries import Entry
from tests.support.audit import make_chain, make_entry, opened, rows_of, write

EMPTY = Entry(action="team.create", resource_type="team")
FORBIDDEN_CHANGES: tuple[LiteralString, ...] = (
    "UPDATE audit_seals SET hash = row_hash",
    "UPDATE audit_seals SET hash = row_hash WHERE false",
    "INSERT INTO audit_seals SELECT * FROM audit_seals ON CONFLICT (chain, position) DO UPDATE SET hash = 'x'",
    "DELETE FROM audit_seals",
    "TRUNCATE audit_seals",
)


@pytest.mark.parametrize("entry", [EMPTY, make_entry(uuid.uuid4(), actor_ip=IPv6Address("2001:db8::1"))])
async def test_row_has_the_values_of_the_entry(fresh_database_url: str, entry: Entry) -> None:
    async with opened(fresh_database_url) as db:
        await write(db, entry)

    async with await psycopg.AsyncConnection.connect(fresh_database_url, row_factory=dict_row) as connection:
        (row,) = await (await connection.execute("SELECT * FROM audit_logs")).fetchall()
    assert row.pop("id")
    assert row.pop("timestamp")
    row["details"] = row.pop("metadata")
    assert row == asdict(entry)


async def test_every_row_is_queued_for_sealing(fresh_database_url: str) -> None:
    async with opened(fresh_database_url) as db:
        await write(db, *(make_entry() for _ in range(3)))

    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        queued = await rows_of(connection, "SELECT timestamp, audit_log_id FROM audit_unsealed ORDER BY 2")
        assert queued == await rows_of(connection, "SELECT timestamp, id FROM audit_logs ORDER BY 2")
    assert len(queued) == 3


async def test_failed_transaction_writes_no_rows(fresh_database_url: str) -> None:
    async with opened(fresh_database_url) as db:
        with pytest.raises(Exception, match="valid_resource_type"):
            await write(db, make_entry(), make_entry(resource_type="spaceship"))

    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        assert await rows_of(connection, "SELECT FROM audit_unsealed UNION ALL SELECT FROM audit_logs") == []


@pytest.mark.parametrize("change", FORBIDDEN_CHANGES)
async def test_seals_are_append_only(fresh_database_url: str, change: LiteralString) -> None:
    await make_chain(fresh_database_url, None, 1)

    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        with pytest.raises(psycopg.errors.RestrictViolation, match="audit_seals is append-only") as refused:
            await connection.execute(change)

    assert refused.value.diag.constraint_name == "audit_seals_append_only"
