from __future__ import annotations

import asyncio
import tracemalloc
import uuid
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from psycopg.rows import dict_row

from stagely_rpc.audit import denials as denials_module
from stagely_rpc.audit.denials import Denials
from tests.support.audit import make_entry, opened
from tests.support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.db.audit_entries import Entry
    from stagely_rpc.db.database import Database

TEAM = uuid.uuid4()
USER = uuid.uuid4()


@pytest.fixture
async def db(fresh_database_url: str) -> AsyncIterator[Database]:
    async with opened(fresh_database_url) as db:
        yield db


@pytest.fixture
async def denials(db: Database) -> Denials:
    """Denials without a background task: tests call `write`."""
    return Denials(db)


def denial(**overrides: Any) -> Entry:
    given: dict[str, Any] = {
        "action": "access.deny",
        "resource_type": "access",
        "resource_id": None,
        "project_id": None,
        "details": {"rpc": "stagely.v1.SecretService/AccessSecret", "reason": "ROLE_MISSING"},
        "actor_id": USER,
        "actor_service": "api",
        "actor_ip": IPv4Address("192.0.2.1"),
    }
    return make_entry(**({"team_id": TEAM} | given | overrides))


async def written(url: str) -> list[dict[str, Any]]:
    async with await psycopg.AsyncConnection.connect(url, row_factory=dict_row) as connection:
        cursor = await connection.execute("SELECT * FROM audit_logs ORDER BY timestamp, metadata ->> 'count', id")
        return await cursor.fetchall()


async def counts(url: str) -> list[int]:
    return [row["metadata"]["count"] for row in await written(url)]


async def test_first_denial_is_written_within_a_second(db: Database, fresh_database_url: str) -> None:
    denials = Denials(db)
    denials.start()
    denials.note(denial(request_id="r-7"))

    await eventually(lambda: counts(fresh_database_url), [1], seconds=1)
    await denials.stop()

    (row,) = await written(fresh_database_url)
    assert (row["action"], row["resource_type"], row["team_id"]) == ("access.deny", "access", TEAM)
    assert (row["actor_id"], row["actor_service"], row["request_id"]) == (USER, "api", "r-7")
    assert row["actor_ip"] == IPv4Address("192.0.2.1")
    assert row["metadata"]["rpc"] == "stagely.v1.SecretService/AccessSecret"
    assert row["metadata"]["reason"] == "ROLE_MISSING"
    assert row["metadata"]["first_at"] == row["metadata"]["last_at"]


async def test_repetitions_within_a_minute_become_one_counted_row(
    denials: Denials, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        denials.note(denial())
        await denials.write()
    for _ in range(1000):
        denials.note(denial())
        await asyncio.sleep(0)
    await denials.write()
    assert await counts(fresh_database_url) == [1]

    monkeypatch.setattr(denials_module, "REPETITION_SECONDS", 0)
    await denials.write()

    rows = await written(fresh_database_url)
    assert [row["metadata"]["count"] for row in rows] == [1, 1002]
    assert rows[1]["metadata"]["first_at"] < rows[1]["metadata"]["last_at"]


@pytest.mark.parametrize(
    "other",
    [
        {"actor_service": "webhooks"},
        {"actor_id": None},
        {"team_id": None},
        {"details": {"rpc": "stagely.v1.SecretService/GetSecret", "reason": "ROLE_MISSING"}},
        {"details": {"rpc": "stagely.v1.SecretService/AccessSecret", "reason": "NOT_A_MEMBER"}},
    ],
    ids=["service", "user", "team", "rpc", "reason"],
)
async def test_denials_are_counted_separately_by(
    denials: Denials, fresh_database_url: str, other: dict[str, Any]
) -> None:
    for entry in (denial(), denial(**other), denial(request_id="another")):
        denials.note(entry)
    await denials.write()

    assert await counts(fresh_database_url) == [1, 2]


async def test_denials_of_anonymous_callers_are_counted_by_address(denials: Denials, fresh_database_url: str) -> None:
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.2"):
        denials.note(denial(actor_service=None, actor_id=None, actor_ip=IPv4Address(address)))
    await denials.write()

    assert await counts(fresh_database_url) == [1, 2]


async def test_kinds_beyond_the_limit_are_counted_together(
    denials: Denials, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denials_module, "MAX_KINDS", 3)
    for number in range(10):
        denials.note(denial(actor_service=f"service-{number}"))
    await denials.write()

    rows = await written(fresh_database_url)
    assert {row["actor_service"]: row["metadata"]["count"] for row in rows} == {
        "service-0": 1,
        "service-1": 1,
        "service-2": 1,
        None: 7,
    }
    assert {row["metadata"]["reason"] for row in rows if row["actor_service"] is None} == {"TOO_MANY_TO_TELL_APART"}


async def test_memory_is_bounded_for_any_number_of_kinds(denials: Denials) -> None:
    entries = [denial(actor_service=f"service-{number}") for number in range(denials_module.MAX_KINDS + 3000)]
    for entry in entries[: denials_module.MAX_KINDS]:
        denials.note(entry)
    tracemalloc.start()
    for entry in entries[denials_module.MAX_KINDS :]:
        denials.note(entry)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert grown < 50_000


async def test_kinds_without_new_denials_are_dropped(denials: Denials, monkeypatch: pytest.MonkeyPatch) -> None:
    denials.note(denial())
    await denials.write()
    assert len(denials._tallies) == 1

    monkeypatch.setattr(denials_module, "REPETITION_SECONDS", 0)
    await denials.write()

    assert len(denials._tallies) == 0


async def test_stop_writes_the_remaining_counts(db: Database, fresh_database_url: str) -> None:
    denials = Denials(db)
    denials.start()
    denials.note(denial())
    await eventually(lambda: counts(fresh_database_url), [1])
    for _ in range(4):
        denials.note(denial())
    await denials.stop()

    assert await counts(fresh_database_url) == [1, 4]


async def test_denials_are_kept_until_they_can_be_written(denials: Denials, fresh_database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as connection:
        await connection.execute("ALTER TABLE audit_unsealed RENAME TO away")
        for _ in range(3):
            denials.note(denial())
            with pytest.raises(Exception, match="audit_unsealed"):
                await denials.write()
        await connection.execute("ALTER TABLE away RENAME TO audit_unsealed")

    await denials.write()

    assert await counts(fresh_database_url) == [3]


async def test_lost_denials_are_logged_with_their_count(db: Database, fresh_database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(fresh_database_url, autocommit=True) as connection:
        await connection.execute("ALTER TABLE audit_unsealed RENAME TO away")
    denials = Denials(db)
    denials.start()
    for _ in range(5):
        denials.note(denial())

    with structlog.testing.capture_logs() as logs:
        await denials.stop()

    assert [log["count"] for log in logs if "count" in log] == [5]
