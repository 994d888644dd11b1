"""The SQLAlchemy methods of sessions, and the additions of write sessions."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import BigInteger, Identity, Text, func, insert, select, update
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from structlog.testing import capture_logs

from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.database import Database
from stagely_rpc.db.driver.pool import PoolLimits
from stagely_rpc.db.idempotency import IdempotencyStore
from stagely_rpc.db.models import AuditLog, Team
from stagely_rpc.db.models.rows import MODEL_OF, TeamRow
from stagely_rpc.errors import AlreadyExistsError
from tests.support.databases import reading, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

TEAM_BY_SLUG = PointRead("team by slug", TeamRow, select(Team.__table__), Team.slug)
TAKEN = AlreadyExistsError("taken", resource_type="Team", resource_name="web")


class WakeRecorder:
    """A database that records its wake-ups, and the team names that another connection sees at that moment."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.topics: list[tuple[str, ...]] = []
        self.seen: list[set[str]] = []
        self.db = Database(url, PoolLimits(size=4), IdempotencyStore(bytes(32), 60), wake=self.wake)

    def wake(self, topics: Collection[str]) -> None:
        self.topics.append(tuple(topics))
        with psycopg.connect(self.url) as other:
            self.seen.append({name for (name,) in other.execute("SELECT name FROM teams")})


@asynccontextmanager
async def wake_recorder(url: str) -> AsyncIterator[WakeRecorder]:
    one = WakeRecorder(url)
    try:
        yield one
    finally:
        await one.db.close()


@pytest.fixture
async def db(fresh_database_url: str) -> AsyncIterator[Database]:
    async with wake_recorder(fresh_database_url) as one:
        yield one.db


async def names(db: Database) -> list[str]:
    async with reading(db) as session:
        return list(await session.scalars(select(Team.name).order_by(Team.name)))


async def test_read_session_executes_like_a_sqlalchemy_session(db: Database) -> None:
    async with db.system_transaction() as transaction:
        await transaction.execute(insert(Team).values([{"slug": "web", "name": "Web"}, {"slug": "api", "name": "Api"}]))

    async with reading(db) as session:
        rows = (await session.execute(select(Team.slug, Team.name).order_by(Team.slug))).all()
        team = (await session.scalars(select(Team).where(Team.slug == "web"))).one()
        count = await session.scalar(select(func.count()).select_from(Team))
        parameters = await session.execute(select(Team.name).where(Team.slug == "api").limit(1))

    assert rows == [("api", "Api"), ("web", "Web")]
    assert (team.slug, team.name) == ("web", "Web")
    assert count == 2
    assert parameters.scalar_one() == "Api"


async def test_write_session_executes_within_its_transaction(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with writing(db) as session:
            await session.execute(insert(Team).values(slug="web", name="Web"))
            assert await session.scalar(select(Team.name)) == "Web"
            assert await names(db) == []
            raise ZeroDivisionError

    assert await names(db) == []


async def test_queued_writes_are_sent_before_a_statement(db: Database) -> None:
    async with writing(db) as session:
        await session.begin()
        team = session.insert(TeamRow, {"slug": "web", "name": "Web"})
        session.update(team, {"name": "Other"})

        assert list(await session.scalars(select(Team.name))) == ["Other"]
        await session.execute(update(Team).values(name="Third"))

    assert await names(db) == ["Third"]


async def test_violation_by_a_queued_write_raises_its_error(db: Database) -> None:
    async with writing(db) as session:
        await session.execute(insert(Team).values(slug="web", name="Web"))

    with pytest.raises(AlreadyExistsError) as refused:
        async with writing(db) as session:
            await session.begin()
            session.insert(TeamRow, {"slug": "web", "name": "Other"}, {"teams_slug_key": lambda: TAKEN})
            await session.execute(select(1))

    assert refused.value is TAKEN


async def test_write_session_reads_a_row_within_its_transaction(db: Database) -> None:
    async with writing(db) as session:
        assert await session.read(TEAM_BY_SLUG, "web") is None
        session.insert(TeamRow, {"slug": "web", "name": "Web"})

        team = await session.read(TEAM_BY_SLUG, "web")

    assert team is not None
    assert team.name == "Web"


async def test_session_without_statements_takes_no_connection(db: Database) -> None:
    async with writing(db):
        pass

    assert db.connections().idle == 0


async def entries(db: Database) -> list[Any]:
    async with reading(db) as session:
        columns = AuditLog.action, AuditLog.resource_type, AuditLog.actor_service, AuditLog.actor_id, AuditLog.team_id
        return list(await session.execute(select(*columns).order_by(AuditLog.action)))


async def test_background_job_writes_under_its_own_name(db: Database) -> None:
    async with db.write(actor="reaper") as session:
        await session.begin()
        team = session.insert(TeamRow, {"slug": "web", "name": "Web"})
        session.team_id = team.id
        session.record(None, team, action="team.create")

    assert await names(db) == ["Web"]
    assert await entries(db) == [("team.create", "team", "service:stagely-rpc/reaper", None, team.id)]


async def test_each_audit_entry_has_its_own_action_and_resource_type(db: Database) -> None:
    async with db.write(actor="reaper") as session:
        await session.begin()
        team = session.insert(TeamRow, {"slug": "web", "name": "Web"})
        session.record(None, team, action="team.create")
        session.record(team, session.update(team, {"name": "Other"}), action="environment.update")

    assert [entry[:2] for entry in await entries(db)] == [
        ("environment.update", "environment"),
        ("team.create", "team"),
    ]


async def test_write_of_a_background_job_needs_an_action(db: Database) -> None:
    with pytest.raises(RuntimeError, match="has no audit action"):
        async with db.write(actor="reaper") as session:
            await session.begin()
            session.record(None, session.insert(TeamRow, {"slug": "web", "name": "Web"}))

    assert await names(db) == []


async def test_each_topic_is_woken_once_after_the_commit(fresh_database_url: str) -> None:
    async with wake_recorder(fresh_database_url) as one, writing(one.db) as session:
        await session.begin()
        session.insert(TeamRow, {"slug": "web", "name": "Web"})
        for topic in ("builds", "events", "builds"):
            session.wake(topic)
        await session.execute(select(1))
        assert one.topics == []

    assert one.topics == [("builds", "events")]
    assert one.seen == [{"Web"}]


async def test_failed_notification_does_not_fail_the_committed_write(fresh_database_url: str) -> None:
    def fail(_: Collection[str]) -> None:
        raise ConnectionError("the notifier is down")

    db = Database(fresh_database_url, PoolLimits(), IdempotencyStore(bytes(32), 60), wake=fail)
    with capture_logs() as logs:
        async with writing(db) as session:
            await session.begin()
            session.insert(TeamRow, {"slug": "web", "name": "Web"})
            session.wake("builds")

    assert await names(db) == ["Web"]
    assert [(line["event"], line["topics"]) for line in logs] == [("listeners were not notified", ["builds"])]
    await db.close()


async def test_rollback_wakes_no_topic(fresh_database_url: str) -> None:
    async with wake_recorder(fresh_database_url) as one:
        with pytest.raises(ZeroDivisionError):
            async with writing(one.db) as session:
                session.wake("builds")
                raise ZeroDivisionError
        with pytest.raises(AlreadyExistsError):
            async with writing(one.db) as session:
                await session.begin()
                for _ in range(2):
                    session.insert(TeamRow, {"slug": "web", "name": "Web"}, {"teams_slug_key": lambda: TAKEN})
                session.wake("builds")

    assert one.topics == []


class _Base(DeclarativeBase):
    pass


class Numbered(_Base):
    __tablename__ = "numbered"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    text: Mapped[str] = mapped_column(Text)


class NumberedRow(NamedTuple):
    id: uuid.UUID
    number: int
    text: str


@pytest.fixture
def numbered(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODEL_OF, NumberedRow, Numbered)
    with psycopg.connect(fresh_database_url) as connection:
        connection.execute(
            "CREATE TABLE numbered (id uuid PRIMARY KEY DEFAULT gen_random_uuid(),"
            " number bigint GENERATED ALWAYS AS IDENTITY, text text NOT NULL CONSTRAINT short CHECK (text <> 'long'))"
        )


@pytest.mark.usefixtures("numbered")
async def test_inserted_row_is_returned_with_its_identity_column(db: Database) -> None:
    async def add(text: str) -> list[NumberedRow]:
        async with writing(db) as session:
            first = await session.insert_returning(NumberedRow, {"text": text})
            return [first, await session.insert_returning(NumberedRow, {"text": text})]

    added = [row for rows in await asyncio.gather(*map(add, "abc")) for row in rows]

    async with reading(db) as session:
        stored = {NumberedRow(*row) for row in await session.execute(select(*Numbered.__table__.columns))}
    assert stored == set(added)
    assert sorted(row.number for row in added) == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("numbered")
async def test_violation_by_insert_returning_raises_its_error(db: Database) -> None:
    with pytest.raises(AlreadyExistsError):
        async with writing(db) as session:
            await session.insert_returning(NumberedRow, {"text": "long"}, {"short": lambda: TAKEN})
