from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import StatusCode
from psycopg import sql

from stagely.v1 import audit_pb2
from stagely_rpc.audit.convert import FAULT_KIND_TO_PROTO, RESOURCE_TYPE_TO_PROTO
from stagely_rpc.audit.inputs import ResourceType
from stagely_rpc.audit.verification import FaultKind
from stagely_rpc.db.models import AuditLog
from tests.support.audit import make_chain, make_entry, opened, seal_all, write
from tests.support.refusals import refused

if TYPE_CHECKING:
    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from stagely_rpc.db.audit_entries import Entry

ACTIONS = ["test.3", "test.2", "test.1", "test.0"]


async def listed(audit: AuditServiceAsyncStub, **filters: Any) -> list[audit_pb2.AuditLog]:
    return list((await audit.ListAuditLogs(audit_pb2.ListAuditLogsRequest(**filters))).audit_logs)


@pytest.fixture
async def team(database_url: str) -> str:
    """The id of a team with four rows, each in its own transaction."""
    team_id = str(uuid.uuid4())
    await make_chain(database_url, team_id, 4)
    return team_id


async def make_one(database_url: str, entry: Entry) -> None:
    async with opened(database_url) as db:
        await write(db, entry)


async def test_rows_are_listed_newest_first(audit: AuditServiceAsyncStub, team: str) -> None:
    assert [row.action for row in await listed(audit, team_id=team)] == ACTIONS


async def test_row_has_every_recorded_field(audit: AuditServiceAsyncStub, database_url: str) -> None:
    team = uuid.uuid4()
    entry = make_entry(team, details={"key": "TOKEN", "version": 3})
    await make_one(database_url, entry)

    (row,) = await listed(audit, team_id=str(team))

    assert MessageToDict(row, preserving_proto_field_name=True) | {"place": None} == {
        "id": row.id,
        "timestamp": row.timestamp.ToJsonString(),
        "actor_id": str(entry.actor_id),
        "actor_email": "ada@example.com",
        "actor_service": "api",
        "action": "secret.access",
        "resource_type": "AUDIT_RESOURCE_TYPE_SECRET",
        "resource_id": str(entry.resource_id),
        "team_id": str(team),
        "project_id": str(entry.project_id),
        "metadata": {"key": "TOKEN", "version": 3},
        "request_id": "r-1",
        "place": None,
    }


async def test_sealed_row_has_its_position_and_hash(audit: AuditServiceAsyncStub, team: str, database_url: str) -> None:
    await seal_all(database_url, team)

    places = [row.place for row in await listed(audit, team_id=team)]

    assert [place.position for place in places] == [4, 3, 2, 1]
    assert {len(place.hash) for place in places} == {32}


FILTERS: list[dict[str, Any]] = [
    {"project_id": str(uuid.uuid4())},
    {"actor_id": str(uuid.uuid4())},
    {"actor_service": "reaper"},
    {"action": "project.delete"},
    {"resource_type": audit_pb2.AUDIT_RESOURCE_TYPE_PROJECT},
    {"resource_id": str(uuid.uuid4())},
    {"request_id": "r-2"},
]


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda wanted: next(iter(wanted)))
async def test_filter_excludes_other_rows(
    audit: AuditServiceAsyncStub, team: str, database_url: str, wanted: dict[str, Any]
) -> None:
    values = {name: uuid.UUID(value) if _is_uuid(value) else value for name, value in wanted.items()}
    if "resource_type" in values:
        values["resource_type"] = "project"
    await make_one(database_url, make_entry(team, **values))

    rows = await listed(audit, team_id=team, **wanted)

    assert len(rows) == 1
    assert getattr(rows[0], next(iter(wanted))) == next(iter(wanted.values()))


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and len(value) == 36


async def test_time_range_includes_its_start_and_excludes_its_end(audit: AuditServiceAsyncStub, team: str) -> None:
    third, second = (await listed(audit, team_id=team))[1:3]

    async def between(since: Timestamp | None, until: Timestamp | None) -> list[str]:
        return [row.action for row in await listed(audit, team_id=team, since=since, until=until)]

    assert await between(second.timestamp, third.timestamp) == ["test.1"]
    assert await between(second.timestamp, None) == ["test.3", "test.2", "test.1"]
    assert await between(None, second.timestamp) == ["test.0"]
    assert await between(third.timestamp, second.timestamp) == []


async def test_pages_continue_where_the_last_one_ended(audit: AuditServiceAsyncStub, team: str) -> None:
    request = audit_pb2.ListAuditLogsRequest(team_id=team, page_size=3)
    first = await audit.ListAuditLogs(request)
    request.page_token = first.next_page_token
    second = await audit.ListAuditLogs(request)

    assert [row.action for row in [*first.audit_logs, *second.audit_logs]] == ACTIONS
    assert not second.next_page_token


async def test_paging_returns_each_row_of_one_transaction_once(audit: AuditServiceAsyncStub, database_url: str) -> None:
    team = str(uuid.uuid4())
    async with opened(database_url) as db:
        await write(db, *(make_entry(team) for _ in range(7)))
    request = audit_pb2.ListAuditLogsRequest(team_id=team, page_size=2)
    ids = []
    while True:
        page = await audit.ListAuditLogs(request)
        ids += [row.id for row in page.audit_logs]
        request.page_token = page.next_page_token
        if not request.page_token:
            break

    assert len(ids) == 7
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("team_id", "acme"),
        ("project_id", "shop"),
        ("actor_id", "ada"),
        ("actor_service", "a" * 256),
        ("action", "a\nb"),
        ("resource_type", 99),
        ("resource_id", "x"),
        ("request_id", "r" * 129),
        ("since", Timestamp(seconds=-(10**12))),
        ("until", Timestamp(nanos=-1)),
        ("page_size", -1),
        ("page_token", "x"),
    ],
)
async def test_malformed_filter_is_refused(audit: AuditServiceAsyncStub, field: str, value: Any) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field=field):
        await listed(audit, **{field: value})


async def test_pages_filtered_by_a_frequent_value_need_no_sort(database_url: str) -> None:
    columns = ("team_id", "project_id", "actor_id", "actor_service", "action")
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("SET enable_seqscan = off")
        await connection.execute("SET enable_sort = off")
        for column in columns:
            plan = await connection.execute(
                sql.SQL(
                    "EXPLAIN SELECT * FROM audit_logs WHERE {} = %s AND (timestamp, id) < (now(), gen_random_uuid())"
                    " ORDER BY timestamp DESC, id DESC LIMIT 51"
                ).format(sql.Identifier(column)),
                [str(uuid.uuid4())],
            )
            lines = "\n".join(line for (line,) in await plan.fetchall())
            assert "Sort" not in lines, lines
            assert "Seq Scan" not in lines, lines


def test_contract_has_every_resource_type_and_fault_kind() -> None:
    (check,) = (
        str(constraint.sqltext)
        for constraint in AuditLog.__table__.constraints  # type: ignore[attr-defined]
        if constraint.name == "valid_resource_type"
    )
    types = set(ResourceType.__args__)  # type: ignore[attr-defined]

    assert set(RESOURCE_TYPE_TO_PROTO) == types
    assert set(check.split("'")[1::2]) == types
    assert set(FAULT_KIND_TO_PROTO) == set(FaultKind.__args__)  # type: ignore[attr-defined]
