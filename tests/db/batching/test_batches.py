"""Batches on a real database: point reads and audit entries of concurrent callers."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from stagely_rpc.access.queries import Membership
from stagely_rpc.db.audit_entries import APPEND, Entry
from stagely_rpc.db.batching.batches import MAX_ITEMS, QUIET_TURNS
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver.observer import NullObserver
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore
from stagely_rpc.db.models import Team, TeamMember
from stagely_rpc.errors import UnavailableError
from tests.support.audit import make_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SLUGS = [f"team-{number}" for number in range(20)]
UNLUCKY_BUILDS = 13


class Builds(NamedTuple):
    slug: str
    max_concurrent_builds: int


class Quotient(NamedTuple):
    n: Any


BY_SLUG = PointRead("team by slug", Builds, select(Team.slug, Team.max_concurrent_builds), Team.slug)
DIVIDED = PointRead(
    "quotient", Quotient, select((100 / (Team.max_concurrent_builds - UNLUCKY_BUILDS)).label("n")), Team.slug
)
ROLE = PointRead("role", Membership, select(TeamMember.role), TeamMember.team_id, TeamMember.user_id)


class ObservedDatabase(NullObserver):
    """A database and the sizes of its batches."""

    def __init__(self, url: str, **limits: Any) -> None:
        self.batches: list[tuple[str, int]] = []
        self.db = Database(url, PoolLimits(**limits), IdempotencyStore(bytes(32), ttl_seconds=60), self)

    def batch_sent(self, work: str, calls: Sequence[object]) -> None:
        self.batches.append((work, len(calls)))

    async def builds(self, slug: str) -> int | None:
        row = await self.db.fetch(BY_SLUG, slug)
        return None if row is None else row.max_concurrent_builds

    async def append(self, entry: Entry) -> None:
        await self.db._batches.do(APPEND, entry)


@asynccontextmanager
async def observed(url: str, **limits: Any) -> AsyncIterator[ObservedDatabase]:
    one = ObservedDatabase(url, **limits)
    try:
        yield one
    finally:
        await one.db.close()


@pytest.fixture(scope="module")
async def teams_url(postgres_server: Any, template_database: str) -> AsyncIterator[str]:
    url = postgres_server.create_database(template_database)
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for number, slug in enumerate(SLUGS):
            await connection.execute(
                "INSERT INTO teams (slug, name, max_concurrent_builds) VALUES (%s, 'Team', %s)", [slug, number]
            )
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
async def reads(teams_url: str) -> AsyncIterator[ObservedDatabase]:
    async with observed(teams_url) as one:
        yield one


async def test_single_caller_is_a_batch_of_one(reads: ObservedDatabase) -> None:
    assert await reads.builds("team-7") == 7
    assert reads.batches == [("team by slug", 1)]


async def test_concurrent_callers_share_a_statement_and_each_gets_its_own_row(reads: ObservedDatabase) -> None:
    found = await asyncio.gather(*map(reads.builds, SLUGS))

    assert found == list(range(20))
    assert reads.batches == [("team by slug", 20)]


async def test_callers_in_quick_succession_share_a_statement(reads: ObservedDatabase) -> None:
    calls = []
    for slug in SLUGS:
        calls.append(asyncio.ensure_future(reads.builds(slug)))
        # gRPC delivers the next call some iterations of the event loop later.
        for _ in range(QUIET_TURNS - 2):
            await asyncio.sleep(0)

    assert await asyncio.gather(*calls) == list(range(20))
    assert reads.batches == [("team by slug", 20)]


async def test_unknown_key_is_none_and_each_caller_of_the_same_key_gets_its_row(reads: ObservedDatabase) -> None:
    found = await asyncio.gather(*map(reads.builds, ["team-3", "unknown", "team-3", "team-4"]))

    assert found == [3, None, 3, 4]


async def test_all_columns_of_a_key_must_match(teams_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(teams_url) as connection:
        users = [uuid.uuid4(), uuid.uuid4()]
        for user in users:
            await connection.execute(
                "INSERT INTO users (id, email, name) VALUES (%s, %s, 'Ada')", [user, f"{user}@example.com"]
            )
        cursor = await connection.execute("SELECT id FROM teams ORDER BY slug LIMIT 2")
        teams = [row[0] for row in await cursor.fetchall()]
        for team, user, role in zip(teams, users, ("owner", "viewer"), strict=True):
            await connection.execute(
                "INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, %s)", [team, user, role]
            )

    async with observed(teams_url) as one:
        pairs = [(team, user) for team in teams for user in users]
        rows = await asyncio.gather(*(one.db.fetch(ROLE, *pair) for pair in pairs))

    assert [row and row.role for row in rows] == ["owner", None, None, "viewer"]


@given(slugs=st.lists(st.sampled_from([*SLUGS, "unknown", "missing"]), max_size=40))
@settings(max_examples=25, deadline=None)
async def test_batched_read_returns_the_same_rows_as_single_reads(teams_url: str, slugs: list[str]) -> None:
    async with observed(teams_url) as one:
        found = await asyncio.gather(*map(one.builds, slugs))

    assert found == [SLUGS.index(slug) if slug in SLUGS else None for slug in slugs]


async def test_failing_key_does_not_fail_the_others(reads: ObservedDatabase) -> None:
    outcomes = await asyncio.gather(*(reads.db.fetch(DIVIDED, slug) for slug in SLUGS), return_exceptions=True)

    failed = [slug for slug, outcome in zip(SLUGS, outcomes, strict=True) if isinstance(outcome, BaseException)]
    assert failed == [f"team-{UNLUCKY_BUILDS}"]
    assert outcomes[14].n == 100  # type: ignore[union-attr]


async def test_unavailable_database_gets_one_batch_and_each_caller_gets_its_own_error() -> None:
    async with observed("postgresql://127.0.0.1:1/nowhere", size=1) as one:
        outcomes = await asyncio.gather(*map(one.builds, SLUGS), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {UnavailableError}
    assert len({id(outcome) for outcome in outcomes}) == len(SLUGS)
    assert one.batches == [("team by slug", len(SLUGS))]


async def test_cancelled_caller_does_not_cancel_the_others(reads: ObservedDatabase) -> None:
    calls = [asyncio.ensure_future(reads.builds(slug)) for slug in SLUGS]
    await asyncio.sleep(0)
    calls[0].cancel()

    found = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == list(range(1, 20))


async def test_caller_that_is_cancelled_during_its_batch_does_not_cancel_the_others(reads: ObservedDatabase) -> None:
    calls = [asyncio.ensure_future(reads.builds(slug)) for slug in SLUGS]
    while not reads.batches:  # noqa: ASYNC110 - an event would need one more iteration of the loop
        await asyncio.sleep(0)
    calls[0].cancel()

    found = await asyncio.gather(*calls, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert found[1:] == list(range(1, 20))


async def test_item_of_a_cancelled_caller_is_not_sent(reads: ObservedDatabase) -> None:
    call = asyncio.ensure_future(reads.builds("team-1"))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    assert await reads.builds("team-2") == 2
    assert reads.batches == [("team by slug", 1)]


async def test_batch_has_at_most_the_maximum_size(reads: ObservedDatabase) -> None:
    found = await asyncio.gather(*(reads.builds(SLUGS[number % 20]) for number in range(3 * MAX_ITEMS + 5)))

    assert found[:20] == list(range(20))
    assert [size for _, size in reads.batches] == [MAX_ITEMS, MAX_ITEMS, MAX_ITEMS, 5]


async def test_read_sees_every_commit_before_its_call(teams_url: str) -> None:
    """One writer increments a value while readers read it. No reader may see a value older than its call."""
    committed = 0
    stale: list[tuple[int, int | None]] = []
    done = False

    async def read(one: ObservedDatabase) -> None:
        while not done:
            least = committed
            found = await one.builds("team-0")
            if found is None or found < least:
                stale.append((least, found))

    async with (
        observed(teams_url, size=8, wait_seconds=30) as one,
        await psycopg.AsyncConnection.connect(teams_url, autocommit=True) as writer,
    ):
        readers = [asyncio.create_task(read(one)) for _ in range(30)]
        for number in range(1, 200):
            await writer.execute("UPDATE teams SET max_concurrent_builds = %s WHERE slug = 'team-0'", [number])
            committed = number
        done = True
        await asyncio.gather(*readers)
        await writer.execute("UPDATE teams SET max_concurrent_builds = 0 WHERE slug = 'team-0'")

    assert stale == []
    assert max(size for _, size in one.batches) > 1


async def test_concurrent_audit_entries_share_a_commit_and_an_invalid_one_fails_alone(fresh_database_url: str) -> None:
    entries = [make_entry(resource_type="spaceship" if number == 3 else "secret") for number in range(8)]
    async with observed(fresh_database_url) as one:
        outcomes = await asyncio.gather(*(one.append(entry) for entry in entries), return_exceptions=True)
        together = await asyncio.gather(*(one.append(make_entry()) for _ in range(9)))

    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [3]
    assert together == [None] * 9
    async with await psycopg.AsyncConnection.connect(fresh_database_url) as connection:
        cursor = await connection.execute("SELECT count(*) FROM audit_logs GROUP BY xmin::text ORDER BY 1")
        assert [row[0] for row in await cursor.fetchall()] == [1] * 7 + [9]
