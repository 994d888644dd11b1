from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from grpc import StatusCode

from stagely.v1 import audit_pb2, audit_pb2_grpc
from stagely_rpc.audit import verification
from tests.support.audit import KEY, ROWS, make_chain, make_entry, opened, verify, write
from tests.support.databases import reading
from tests.support.refusals import refused
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub


async def test_progress_comes_before_the_verdict(
    audit: AuditServiceAsyncStub, team_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "_BATCH_ROWS", 2)

    found = await verify(audit, team_id)

    verified = [progress.verified_count for progress in found.progress]
    assert verified[:3] == [2, 4, 6]
    assert {progress.sealed_count for progress in found.progress} == {ROWS}
    assert found.verdict.head.position == ROWS
    assert len(found.verdict.head.hash) == 32


async def test_unsealed_rows_are_counted(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url) as server,
        connected(server) as channel,
        await psycopg.AsyncConnection.connect(fresh_database_url) as connection,
        opened(fresh_database_url) as db,
    ):
        audit = audit_pb2_grpc.AuditServiceStub(channel)
        await connection.execute("LOCK TABLE audit_seals IN SHARE MODE")
        await write(db, make_entry(), make_entry())

        found = await verify(audit, None)

        assert (found.fault, found.verdict.unsealed_count, found.verdict.head.position) == (None, 2, 0)


async def test_anchor_of_an_earlier_verification_matches(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str
) -> None:
    earlier = (await verify(audit, team_id)).verdict.head
    await make_chain(database_url, team_id, 2)

    found = await verify(audit, team_id, earlier)

    assert found.fault is None
    assert found.verdict.head.position == earlier.position + 2


async def test_chain_of_rows_without_a_team_can_be_verified(fresh_database_url: str) -> None:
    await make_chain(fresh_database_url, None, 2)

    async with running_server(fresh_database_url) as server, connected(server) as channel:
        found = await verify(audit_pb2_grpc.AuditServiceStub(channel), None)

    assert (found.fault, found.verdict.head.position) == (None, 2)


async def test_unknown_team_is_not_found(audit: AuditServiceAsyncStub) -> None:
    with refused(StatusCode.NOT_FOUND):
        await verify(audit, str(uuid.uuid4()))


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"team_id": "acme"}, "team_id"),
        ({"anchor": audit_pb2.ChainPlace(hash=bytes(32))}, "anchor.position"),
        ({"anchor": audit_pb2.ChainPlace(position=-1, hash=bytes(32))}, "anchor.position"),
        ({"anchor": audit_pb2.ChainPlace(position=1)}, "anchor.hash"),
        ({"anchor": audit_pb2.ChainPlace(position=1, hash=bytes(33))}, "anchor.hash"),
    ],
)
async def test_malformed_request_is_refused(audit: AuditServiceAsyncStub, request_: dict[str, Any], field: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field=field):
        async for _ in audit.VerifyAuditLog(audit_pb2.VerifyAuditLogRequest(**request_)):
            pass


async def test_verification_without_an_encryption_key_is_refused(fresh_database_url: str) -> None:
    async with (
        running_server(fresh_database_url, encryption_key=None) as server,
        connected(server) as channel,
    ):
        with refused(StatusCode.FAILED_PRECONDITION, reason="ENCRYPTION_KEY_MISSING"):
            await verify(audit_pb2_grpc.AuditServiceStub(channel), None)


async def test_no_connection_is_held_between_the_steps(team_id: str, database_url: str) -> None:
    async with opened(database_url) as db, reading(db) as session:
        async for step in verification.verify(session, KEY, uuid.UUID(team_id), None):
            if isinstance(step, verification.Progress):
                assert db.connections().in_use == 0
