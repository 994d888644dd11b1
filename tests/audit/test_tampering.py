"""Tampering by the owner of the tables, with triggers disabled: verification finds each change."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from stagely.v1 import audit_pb2_grpc, team_pb2_grpc
from tests.support.audit import (
    ROWS,
    head_of,
    ids_of,
    make_chain,
    make_entry,
    make_sealed_team,
    opened,
    swap_seals,
    tamper,
    verify,
    write,
)
from tests.support.rpc import connected, running_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import LiteralString

    from stagely.v1.audit_pb2_grpc import AuditServiceAsyncStub

EDITED, DELETED = "AUDIT_FAULT_KIND_EDITED", "AUDIT_FAULT_KIND_DELETED"
REORDERED, INSERTED = "AUDIT_FAULT_KIND_REORDERED", "AUDIT_FAULT_KIND_INSERTED"
CUT_OFF, ANCHOR_MISMATCH = "AUDIT_FAULT_KIND_CUT_OFF", "AUDIT_FAULT_KIND_ANCHOR_MISMATCH"

EDITS = (
    "timestamp = timestamp + interval '1 microsecond'",
    "actor_id = gen_random_uuid()",
    "actor_id = NULL",
    "actor_email = 'eve@example.com'",
    "actor_service = 'agent-hub'",
    "actor_ip = '192.0.2.9'",
    "action = 'secret.get'",
    "resource_type = 'project'",
    "resource_id = gen_random_uuid()",
    "team_id = NULL",
    "project_id = NULL",
    "metadata = '{}'",
    "metadata = metadata || '{\"version\": 4}'",
    "request_id = ''",
)

DELETE_ROW = "DELETE FROM audit_logs WHERE id = %(id)s"
DELETE_SEAL = "DELETE FROM audit_seals WHERE audit_log_id = %(id)s"
FORGE = "INSERT INTO audit_logs (id, action, resource_type, team_id) VALUES (%(id)s, 'team.get', 'team', %(team_id)s)"
RESTORE_HEAD = (
    "UPDATE audit_chain_heads SET (position, hash) = (SELECT position, hash FROM audit_seals"
    " WHERE chain = %(team_id)s AND position = %(last)s) WHERE chain = %(team_id)s"
)
DELETE_TAIL = "DELETE FROM audit_seals WHERE chain = %(team_id)s AND position > %(last)s"


async def test_untouched_chain_has_no_fault(audit: AuditServiceAsyncStub, team_id: str) -> None:
    found = await verify(audit, team_id)

    assert found.fault is None
    assert found.verdict.head.position == ROWS


@pytest.mark.parametrize("edit", EDITS)
async def test_edited_row_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, edit: LiteralString
) -> None:
    edited = (await ids_of(database_url, team_id))[2]

    update = sql.SQL("UPDATE audit_logs SET {} WHERE id = %(id)s").format(sql.SQL(edit))
    await tamper(database_url, update, id=edited)

    found = await verify(audit, team_id)
    assert found.fault == (EDITED, 3, str(edited))
    assert found.verdict.head.position == 2


@pytest.mark.parametrize("position", [1, 3, ROWS])
async def test_deleted_row_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, position: int
) -> None:
    deleted = (await ids_of(database_url, team_id))[position - 1]

    await tamper(database_url, DELETE_ROW, id=deleted)

    assert (await verify(audit, team_id)).fault == (DELETED, position, str(deleted))


@pytest.mark.parametrize(("position", "kind"), [(1, DELETED), (3, DELETED), (ROWS, CUT_OFF)])
async def test_row_deleted_with_its_seal_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, position: int, kind: str
) -> None:
    deleted = (await ids_of(database_url, team_id))[position - 1]

    await tamper(database_url, DELETE_ROW, DELETE_SEAL, id=deleted)

    assert (await verify(audit, team_id)).fault == (kind, position, "")


async def test_closed_gap_is_reported(audit: AuditServiceAsyncStub, team_id: str, database_url: str) -> None:
    ids = await ids_of(database_url, team_id)
    move = "UPDATE audit_seals SET position = position - 1 WHERE audit_log_id = %(id)s"

    await tamper(database_url, DELETE_ROW, DELETE_SEAL, id=ids[2])
    for moved in ids[3:]:
        await tamper(database_url, move, id=moved)

    assert (await verify(audit, team_id)).fault == (REORDERED, 3, str(ids[3]))


@pytest.mark.parametrize(
    "columns",
    [("audit_log_id",), ("audit_log_id", "row_hash"), ("audit_log_id", "row_hash", "hash")],
    ids=" ".join,
)
async def test_reordered_rows_are_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, columns: tuple[str, ...]
) -> None:
    ids = await ids_of(database_url, team_id)

    await swap_seals(database_url, ids[1], ids[4], columns)

    assert (await verify(audit, team_id)).fault == (REORDERED, 2, str(ids[4]))


async def test_seal_with_another_hash_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str
) -> None:
    ids = await ids_of(database_url, team_id)

    await tamper(database_url, "UPDATE audit_seals SET hash = row_hash WHERE audit_log_id = %(id)s", id=ids[3])

    assert (await verify(audit, team_id)).fault == (REORDERED, 4, str(ids[3]))


async def test_forged_row_is_reported(audit: AuditServiceAsyncStub, team_id: str, database_url: str) -> None:
    forged = str(uuid.uuid4())

    await tamper(database_url, FORGE, id=forged, team_id=team_id)

    assert (await verify(audit, team_id)).fault == (INSERTED, 0, forged)


async def test_forged_row_with_a_forged_seal_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str
) -> None:
    forged = str(uuid.uuid4())

    await tamper(
        database_url,
        FORGE,
        "INSERT INTO audit_seals SELECT chain, position + 1, %(id)s, row_hash, hash FROM audit_seals"
        " WHERE chain = %(team_id)s ORDER BY position DESC LIMIT 1",
        "UPDATE audit_chain_heads SET position = position + 1 WHERE chain = %(team_id)s",
        id=forged,
        team_id=team_id,
    )

    assert (await verify(audit, team_id)).fault == (EDITED, ROWS + 1, forged)


@pytest.mark.parametrize("last", [0, 1, ROWS - 1])
async def test_deleted_tail_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, last: int
) -> None:
    await cut_tail(database_url, team_id, last)

    assert (await verify(audit, team_id)).fault == (CUT_OFF, last + 1, "")


@pytest.mark.parametrize(
    "cover_up",
    [
        RESTORE_HEAD,
        "DELETE FROM audit_chain_heads WHERE chain = %(team_id)s",
    ],
    ids=["restored head", "deleted head"],
)
async def test_deleted_tail_is_reported_despite_a(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str, cover_up: str
) -> None:
    await cut_tail(database_url, team_id, 3)

    await tamper(database_url, cover_up, team_id=team_id, last=3)

    assert (await verify(audit, team_id)).fault == (CUT_OFF, 4, "")


async def cut_tail(database_url: str, team_id: str, last: int) -> None:
    delete_rows = (
        "DELETE FROM audit_logs USING audit_seals WHERE audit_log_id = audit_logs.id"
        " AND chain = %(team_id)s AND position > %(last)s"
    )
    await tamper(database_url, delete_rows, DELETE_TAIL, team_id=team_id, last=last)


async def test_sealer_does_not_continue_a_chain_with_a_tampered_end(clone_database: Callable[[], str]) -> None:
    url = clone_database()
    async with running_server(url) as server, connected(server) as channel:
        teams, audit = team_pb2_grpc.TeamServiceStub(channel), audit_pb2_grpc.AuditServiceStub(channel)
        broken, other = [await make_sealed_team(teams, url) for _ in range(2)]
        await cut_tail(url, broken, 3)
        await tamper(url, RESTORE_HEAD, team_id=broken, last=3)

        async with opened(url) as db:
            await write(db, make_entry(broken))
        await make_chain(url, other, 1)

        found, unharmed = await verify(audit, broken), await verify(audit, other)
    assert (found.fault, found.verdict.unsealed_count) == ((CUT_OFF, 4, ""), 1)
    assert (unharmed.fault, unharmed.verdict.head.position) == (None, ROWS + 1)


async def test_rows_swapped_between_two_teams_are_reported_in_both(
    audit: AuditServiceAsyncStub, team_id: str, other_team_id: str, database_url: str
) -> None:
    own, others = (await ids_of(database_url, team_id))[1], (await ids_of(database_url, other_team_id))[3]
    change = "UPDATE audit_logs SET team_id = %(team_id)s WHERE id = %(id)s"

    await tamper(database_url, change, id=own, team_id=other_team_id)
    await tamper(database_url, change, id=others, team_id=team_id)

    assert (await verify(audit, team_id)).fault == (EDITED, 2, str(own))
    assert (await verify(audit, other_team_id)).fault == (EDITED, 4, str(others))


async def test_row_sealed_in_the_chain_of_another_team_is_reported(
    audit: AuditServiceAsyncStub, team_id: str, other_team_id: str, database_url: str
) -> None:
    own, others = (await ids_of(database_url, team_id))[1], (await ids_of(database_url, other_team_id))[1]

    await swap_seals(database_url, own, others, ("audit_log_id", "row_hash", "hash"))

    assert (await verify(audit, team_id)).fault == (REORDERED, 2, str(others))
    assert (await verify(audit, other_team_id)).fault == (REORDERED, 2, str(own))


async def test_chain_restored_to_an_earlier_state_is_found_only_by_a_later_anchor(
    audit: AuditServiceAsyncStub, team_id: str, database_url: str
) -> None:
    earlier = (await verify(audit, team_id)).verdict.head
    old_head = await head_of(database_url, team_id)
    await make_chain(database_url, team_id, 2)
    later = (await verify(audit, team_id)).verdict.head

    await cut_tail(database_url, team_id, earlier.position)
    restore_head = "UPDATE audit_chain_heads SET (position, hash, mac) = (%(position)s, %(hash)s, %(mac)s)"
    await tamper(database_url, restore_head + " WHERE chain = %(chain)s", **old_head)

    assert (await verify(audit, team_id)).fault is None
    assert (await verify(audit, team_id, earlier)).fault is None
    assert (await verify(audit, team_id, later)).fault == (CUT_OFF, ROWS + 1, "")


async def test_anchor_of_another_chain_does_not_match(
    audit: AuditServiceAsyncStub, team_id: str, other_team_id: str, database_url: str
) -> None:
    ids = await ids_of(database_url, team_id)
    anchor = (await verify(audit, other_team_id)).verdict.head

    assert (await verify(audit, team_id, anchor)).fault == (ANCHOR_MISMATCH, ROWS, str(ids[-1]))
