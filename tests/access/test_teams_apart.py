"""Two teams of the same shape: in every field of every RPC that names something, the name of the other team's."""

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
from tests.support.access.references import absent, marks_of, mixed, references_of, value_in
from tests.support.lists import rows_of
from tests.support.methods import METHODS
from tests.support.refusals import refusal_of
from tests.support.world import ask, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from tests.support.access.references import Reference
    from tests.support.access.stage import Stage
    from tests.support.methods import Method
    from tests.support.world import World

FOR_A_USER: dict[tuple[str, str], tuple[Outcome, str]] = {
    ("TeamService.AddTeamMember", "user_id"): (GRANTED, "a team may take in any user whose id it knows"),
    ("SecretService.SetSecret", "created_by"): (denied("ANOTHER_USER"), "a user creates for itself, or for nobody"),
}
"""Where the answer is not that there is no such thing, and why."""

FOR_A_SERVICE: dict[tuple[str, str], tuple[Outcome, str]] = {
    ("TeamService.AddTeamMember", "user_id"): (GRANTED, "any user may be taken into any team"),
    ("TeamService.AddTeamMember", "team_id"): (GRANTED, "any user may be taken into any team"),
    ("SecretService.SetSecret", "created_by"): (GRANTED, "a service says who creates a secret; users leave teams"),
    ("SecretService.SetSecret", "project_id"): (GRANTED, "a service says who creates a secret; users leave teams"),
}
"""As above, where a service acts for no user: two teams' things in one request."""

NO_RESOURCES = {"request_id", "vm_id", "github_id", "google_id"}
"""Fields that are named like ids, and are of no resource here; GetUser's are keys of users and tried all the same."""

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


def mixing_references_of(method: Method) -> list[Reference]:
    """Return the references of an RPC that stand in one request with one to something else."""
    references = references_of(method.name)
    return [
        reference
        for reference in references
        if any(other.variant == reference.variant and other.kind != reference.kind for other in references)
    ]


NAMING = [method for method in METHODS if references_of(method.name)]
MIXING = [method for method in METHODS if mixing_references_of(method)]


@dataclass
class Answer:
    """What came of a call, and all that it said."""

    outcome: Outcome
    text: str


async def answer_to(stage: Stage, method: Method, request: Message, user_id: str | None) -> Answer:
    try:
        response = await stage.ask(method.name, request, user_id)
    except grpc.aio.AioRpcError as error:
        refusal = refusal_of(error)
        details = [str(detail) for name, detail in refusal.details.items() if name != "RequestInfo"]
        return Answer(Outcome(refusal.code, refusal.reason), "\n".join([refusal.message, *details]))
    is_empty = is_collection(method) and not rows_of(response)
    return Answer(Outcome(grpc.StatusCode.OK, is_empty=is_empty), str(response))


async def rows(stage: Stage, world: World) -> list[Any]:
    """Return all that the database has of a team."""
    ids = {"team": world.team.id, "user": world.user.id, "project": world.project.id}
    async with await psycopg.AsyncConnection.connect(stage.database_url) as connection:
        found = await (await connection.execute(_ROWS, ids)).fetchall()
    assert len(found) >= 7
    return found


def expected_for_a_user(method: Method, reference: Reference) -> Outcome:
    if policy_of(method).acting_for == ACTING_FOR_NOBODY:
        return denied("USER_NOT_ALLOWED")
    usual = EMPTY if is_collection(method) else HIDDEN
    return FOR_A_USER.get((method.name, reference.path), (usual, ""))[0]


@pytest.fixture(scope="module")
async def team(stage: Stage, world: World) -> World:
    """A team, and a user who may do everything in it."""
    return await owned(stage, world)


async def owned(stage: Stage, world: World) -> World:
    owner = team_pb2.UpdateTeamMemberRequest(
        team_id=world.team.id, user_id=world.user.id, role=team_pb2.TEAM_ROLE_OWNER
    )
    await ask(stage.operator, "TeamService.UpdateTeamMember", owner)
    return world


@pytest.mark.parametrize("method", NAMING, ids=str)
async def test_a_user_reaches_nothing_of_another_team(
    stage: Stage, team: World, other_world: World, method: Method
) -> None:
    before = await rows(stage, other_world)

    for reference in references_of(method.name):
        expected, theirs = expected_for_a_user(method, reference), value_in(other_world, reference)
        # What is granted leaves its trace.
        ours = await owned(stage, await make_world(stage.operator)) if expected == GRANTED else team
        answer = await answer_to(stage, method, mixed(method.name, ours, reference, theirs), ours.user.id)
        assert answer.outcome == expected, reference
        assert not {mark for mark in marks_of(other_world, ours) - {theirs} if mark in answer.text}, reference

    assert await rows(stage, other_world) == before


@pytest.mark.parametrize("method", NAMING, ids=str)
async def test_what_is_another_teams_looks_as_if_it_were_not_there(
    stage: Stage, team: World, other_world: World, method: Method
) -> None:
    """Nothing tells a user whether it is: the answer is the same but for the name that was asked for."""
    hiding = [r for r in references_of(method.name) if expected_for_a_user(method, r) != GRANTED]

    for reference in hiding:
        answers = []
        for name in (value_in(other_world, reference), absent(value_in(other_world, reference))):
            answer = await answer_to(stage, method, mixed(method.name, team, reference, name), team.user.id)
            answers.append(replace(answer, text=answer.text.replace(name, "<name>")))
        assert answers[0] == answers[1], reference


@pytest.mark.parametrize("method", MIXING, ids=str)
async def test_a_service_does_not_mix_two_teams(stage: Stage, team: World, other_world: World, method: Method) -> None:
    usual = EMPTY if is_collection(method) else HIDDEN

    for reference in mixing_references_of(method):
        expected, _ = FOR_A_SERVICE.get((method.name, reference.path), (usual, ""))
        ours, theirs = (
            [await make_world(stage.operator) for _ in range(2)] if expected == GRANTED else [team, other_world]
        )
        request = mixed(method.name, ours, reference, value_in(theirs, reference))
        assert (await answer_to(stage, method, request, None)).outcome == expected, reference


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_every_id_in_a_request_is_tried(method: Method) -> None:
    tried = {reference.path for reference in references_of(method.name)}

    assert {path for path in ids_in(method.input) if path not in NO_RESOURCES} <= tried


def ids_in(message: Descriptor, outer: str = "") -> Iterator[str]:
    for field in message.fields:
        if field.name == "id" or field.name.endswith("_id"):
            yield f"{outer}{field.name}"
        if field.message_type and field.message_type.file.package == message.file.package:
            yield from ids_in(field.message_type, f"{outer}{field.name}.")


def test_exceptions_are_of_fields_that_there_are() -> None:
    tried = {(method.name, reference.path) for method in METHODS for reference in references_of(method.name)}

    assert FOR_A_USER.keys() | FOR_A_SERVICE.keys() <= tried
