"""Requests about one team, in which one reference at a time is replaced by a reference to another team's resource."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2
from stagely.v1.annotations_pb2 import ACTING_FOR_NOBODY
from tests.support.access.attempts import EMPTY, GRANTED, HIDDEN, Outcome, denied
from tests.support.access.policies import is_collection, policy_of
from tests.support.access.references import marks_of, missing, references_of, value_in, with_reference
from tests.support.lists import rows_of
from tests.support.methods import METHODS
from tests.support.refusals import refusal_of
from tests.support.world import call_rpc, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from tests.support.access.auth_server import AuthServer
    from tests.support.access.references import Reference
    from tests.support.methods import Method
    from tests.support.world import World

FOR_A_USER: dict[tuple[str, str], tuple[Outcome, str]] = {
    ("TeamService.AddTeamMember", "user_id"): (GRANTED, "a team can add any user whose id it knows"),
    ("SecretService.SetSecret", "created_by"): (
        denied("ANOTHER_USER"),
        "a user can name only themselves as the creator",
    ),
}
"""The references for which the outcome is not NOT_FOUND or an empty list, and why."""

FOR_A_SERVICE: dict[tuple[str, str], tuple[Outcome, str]] = {
    ("TeamService.AddTeamMember", "user_id"): (GRANTED, "a service can add any user to any team"),
    ("TeamService.AddTeamMember", "team_id"): (GRANTED, "a service can add any user to any team"),
    ("SecretService.SetSecret", "created_by"): (GRANTED, "a service can name any creator, because users leave teams"),
    ("SecretService.SetSecret", "project_id"): (GRANTED, "a service can name any creator, because users leave teams"),
}
"""The same for a service without an acting user, with resources of two teams in one request."""

NOT_RESOURCES = {"request_id", "vm_id", "github_id", "google_id"}
"""Fields that look like ids, but refer to no resource. GetUser's github_id and google_id are tested anyway."""

_ROWS = """
    SELECT to_jsonb(t)::text FROM teams AS t WHERE id = %(team)s
    UNION ALL SELECT to_jsonb(t)::text FROM users AS t WHERE id = %(user)s
    UNION ALL SELECT to_jsonb(t)::text FROM team_members AS t WHERE team_id = %(team)s
    UNION ALL SELECT to_jsonb(t)::text FROM cloud_providers AS t WHERE team_id = %(team)s
    UNION ALL SELECT to_jsonb(t)::text FROM projects AS t WHERE team_id = %(team)s
    UNION ALL SELECT to_jsonb(t)::text FROM environments AS t WHERE project_id = %(project)s
    UNION ALL SELECT to_jsonb(t)::text FROM secrets AS t WHERE project_id = %(project)s
    ORDER BY 1
"""


def mixed_references_of(method: Method) -> list[Reference]:
    """Return the references of an RPC whose request also has a reference of another type."""
    references = references_of(method.name)
    return [
        reference
        for reference in references
        if any(other.variant == reference.variant and other.kind != reference.kind for other in references)
    ]


WITH_REFERENCES = [method for method in METHODS if references_of(method.name)]
WITH_MIXED_REFERENCES = [method for method in METHODS if mixed_references_of(method)]


@dataclass
class Answer:
    """The outcome of a call, and all text of its response."""

    outcome: Outcome
    text: str


async def answer_to(auth_server: AuthServer, method: Method, request: Message, user_id: str | None) -> Answer:
    try:
        response = await auth_server.call(method.name, request, user_id)
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        details = [str(detail) for name, detail in refusal.details.items() if name != "RequestInfo"]
        return Answer(Outcome(refusal.code, refusal.reason), "\n".join([refusal.message, *details]))
    is_empty = is_collection(method) and not rows_of(response)
    return Answer(Outcome(grpc.StatusCode.OK, is_empty=is_empty), str(response))


async def rows(auth_server: AuthServer, world: World) -> list[Any]:
    """Return the rows of a team and its resources."""
    ids = {"team": world.team.id, "user": world.user.id, "project": world.project.id}
    async with await psycopg.AsyncConnection.connect(auth_server.database_url) as connection:
        found = await (await connection.execute(_ROWS, ids)).fetchall()
    assert len(found) >= 7
    return found


def expected_for_a_user(method: Method, reference: Reference) -> Outcome:
    if policy_of(method).acting_for == ACTING_FOR_NOBODY:
        return denied("USER_NOT_ALLOWED")
    usual = EMPTY if is_collection(method) else HIDDEN
    return FOR_A_USER.get((method.name, reference.path), (usual, ""))[0]


@pytest.fixture(scope="module")
async def team(auth_server: AuthServer, world: World) -> World:
    """A team with an owner."""
    return await with_owner(auth_server, world)


async def with_owner(auth_server: AuthServer, world: World) -> World:
    owner = team_pb2.UpdateTeamMemberRequest(
        team_id=world.team.id, user_id=world.user.id, role=team_pb2.TEAM_ROLE_OWNER
    )
    await call_rpc(auth_server.operator, "TeamService.UpdateTeamMember", owner)
    return world


@pytest.mark.parametrize("method", WITH_REFERENCES, ids=str)
async def test_user_cannot_access_resources_of_another_team(
    auth_server: AuthServer, team: World, other_world: World, method: Method
) -> None:
    before = await rows(auth_server, other_world)

    for reference in references_of(method.name):
        expected, theirs = expected_for_a_user(method, reference), value_in(other_world, reference)
        # A granted call changes the team, so each gets a new team.
        ours = await with_owner(auth_server, await make_world(auth_server.operator)) if expected == GRANTED else team
        answer = await answer_to(
            auth_server, method, with_reference(method.name, ours, reference, theirs), ours.user.id
        )
        assert answer.outcome == expected, reference
        assert not {mark for mark in marks_of(other_world, ours) - {theirs} if mark in answer.text}, reference

    assert await rows(auth_server, other_world) == before


@pytest.mark.parametrize("method", WITH_REFERENCES, ids=str)
async def test_resource_of_another_team_looks_missing(
    auth_server: AuthServer, team: World, other_world: World, method: Method
) -> None:
    """The response is the same as for a missing resource, except for the name in the request."""
    hiding = [r for r in references_of(method.name) if expected_for_a_user(method, r) != GRANTED]

    for reference in hiding:
        answers = []
        for name in (value_in(other_world, reference), missing(value_in(other_world, reference))):
            answer = await answer_to(
                auth_server, method, with_reference(method.name, team, reference, name), team.user.id
            )
            answers.append(replace(answer, text=answer.text.replace(name, "<name>")))
        assert answers[0] == answers[1], reference


@pytest.mark.parametrize("method", WITH_MIXED_REFERENCES, ids=str)
async def test_service_cannot_mix_resources_of_two_teams(
    auth_server: AuthServer, team: World, other_world: World, method: Method
) -> None:
    usual = EMPTY if is_collection(method) else HIDDEN

    for reference in mixed_references_of(method):
        expected, _ = FOR_A_SERVICE.get((method.name, reference.path), (usual, ""))
        ours, theirs = (
            [await make_world(auth_server.operator) for _ in range(2)] if expected == GRANTED else [team, other_world]
        )
        request = with_reference(method.name, ours, reference, value_in(theirs, reference))
        assert (await answer_to(auth_server, method, request, None)).outcome == expected, reference


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_id_in_a_request_is_tested(method: Method) -> None:
    tested = {reference.path for reference in references_of(method.name)}

    assert {path for path in ids_in(method.input) if path not in NOT_RESOURCES} <= tested


def ids_in(message: Descriptor, outer: str = "") -> Iterator[str]:
    for field in message.fields:
        if field.name == "id" or field.name.endswith("_id"):
            yield f"{outer}{field.name}"
        if field.message_type and field.message_type.file.package == message.file.package:
            yield from ids_in(field.message_type, f"{outer}{field.name}.")


def test_exceptions_name_existing_fields() -> None:
    tested = {(method.name, reference.path) for method in METHODS for reference in references_of(method.name)}

    assert FOR_A_USER.keys() | FOR_A_SERVICE.keys() <= tested
