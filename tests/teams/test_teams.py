from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from stagely.v1 import team_pb2
from tests.support.refusals import refused
from tests.support.teams import make_team

if TYPE_CHECKING:
    from stagely.v1.team_pb2_grpc import TeamServiceAsyncStub


async def test_created_team_has_the_defaults(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams, slug=(slug := f"web-{uuid.uuid4().hex}"), name="Web ✨")

    assert uuid.UUID(team.id).version == 4
    assert (team.slug, team.name) == (slug, "Web ✨")
    assert not team.HasField("billing_email")
    assert team.billing_plan == team_pb2.BILLING_PLAN_FREE
    assert (team.max_concurrent_stagelets, team.max_concurrent_builds) == (5, 10)
    assert team.created_at == team.updated_at
    assert not team.HasField("deleted_at")
    assert team.etag


async def test_created_team_has_the_given_values(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(
        teams,
        billing_email="Billing@Example.com",
        billing_plan=team_pb2.BILLING_PLAN_ENTERPRISE,
        max_concurrent_stagelets=0,
        max_concurrent_builds=100_000,
    )

    assert team.billing_email == "billing@example.com"
    assert team.billing_plan == team_pb2.BILLING_PLAN_ENTERPRISE
    assert (team.max_concurrent_stagelets, team.max_concurrent_builds) == (0, 100_000)


async def test_taken_slug_is_refused(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    with refused(StatusCode.ALREADY_EXISTS, reason="TEAM_SLUG_TAKEN") as refusal:
        await make_team(teams, slug=team.slug)

    assert refusal.details["ResourceInfo"].resource_name == team.slug


async def test_slug_of_a_deleted_team_stays_taken(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)
    await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))

    with refused(StatusCode.ALREADY_EXISTS, reason="TEAM_SLUG_TAKEN"):
        await make_team(teams, slug=team.slug)


@pytest.mark.parametrize("slug", ["", "a", "-a", "a-", "A-b", "a_b", "a b", "a" * 101, "ä-b", "a/../b", "a\nb", "a'--"])
async def test_malformed_slug_is_refused(teams: TeamServiceAsyncStub, slug: str) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="slug"):
        await make_team(teams, slug=slug)


@pytest.mark.parametrize("slug", ["aa", "1-2", "a--b", "a" * 100])
async def test_slug_at_its_limits_is_accepted(teams: TeamServiceAsyncStub, slug: str) -> None:
    slug = slug if len(slug) == 100 else f"{slug}-{uuid.uuid4().hex}"

    assert (await make_team(teams, slug=slug)).slug == slug


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", " "),
        ("name", "x" * 256),
        ("name", "two\nlines"),
        ("name", "nul\0"),
        ("billing_email", "nobody"),
        ("billing_email", "a|b@example.com"),
        ("billing_email", f"{'x' * 250}@example.com"),
        ("billing_plan", 99),
        ("max_concurrent_stagelets", -1),
        ("max_concurrent_stagelets", 100_001),
        ("max_concurrent_builds", -(2**31)),
    ],
)
async def test_field_beyond_its_limits_is_refused(teams: TeamServiceAsyncStub, field: str, value: object) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field=field):
        await make_team(teams, **{field: value})


async def test_every_invalid_field_is_named(teams: TeamServiceAsyncStub) -> None:
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        await make_team(teams, slug="-", name="", max_concurrent_builds=-1)

    assert set(refusal.fields) == {"slug", "name", "max_concurrent_builds"}


async def test_team_is_found_by_id_and_by_slug(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    by_id = await teams.GetTeam(team_pb2.GetTeamRequest(id=team.id.upper()))
    by_slug = await teams.GetTeam(team_pb2.GetTeamRequest(slug=team.slug))

    assert by_id.team == by_slug.team == team


async def test_unknown_team_is_not_found(teams: TeamServiceAsyncStub) -> None:
    unknown = str(uuid.uuid4())
    for request in (team_pb2.GetTeamRequest(id=unknown), team_pb2.GetTeamRequest(slug=unknown)):
        with refused(StatusCode.NOT_FOUND) as refusal:
            await teams.GetTeam(request)
        assert refusal.details["ResourceInfo"].resource_type == "stagely.v1.Team"
        assert refusal.details["ResourceInfo"].resource_name == unknown


async def test_key_is_required(teams: TeamServiceAsyncStub) -> None:
    with refused(StatusCode.INVALID_ARGUMENT, field="key"):
        await teams.GetTeam(team_pb2.GetTeamRequest())


@pytest.mark.parametrize("malformed", ["", "1", "{%s}", "urn:uuid:%s", "%s ", "../%s"])
async def test_malformed_id_is_refused(teams: TeamServiceAsyncStub, malformed: str) -> None:
    malformed = malformed.replace("%s", str(uuid.uuid4()))

    with refused(StatusCode.INVALID_ARGUMENT, field="id"):
        await teams.GetTeam(team_pb2.GetTeamRequest(id=malformed))


async def test_update_without_a_mask_changes_set_fields(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams, billing_email="a@example.com", max_concurrent_builds=3)

    updated = (await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New"))).team

    assert updated.name == "New"
    assert updated.billing_email == "a@example.com"
    assert updated.max_concurrent_builds == 3
    assert updated.updated_at.ToNanoseconds() > team.updated_at.ToNanoseconds()
    assert updated.created_at == team.created_at
    assert updated.etag != team.etag
    assert (await teams.GetTeam(team_pb2.GetTeamRequest(id=team.id))).team == updated


async def test_update_changes_only_masked_fields(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)
    request = team_pb2.UpdateTeamRequest(
        id=team.id, name="New", max_concurrent_builds=1, update_mask=FieldMask(paths=["max_concurrent_builds"])
    )

    updated = (await teams.UpdateTeam(request)).team

    assert (updated.name, updated.max_concurrent_builds) == (team.name, 1)


async def test_masked_and_unset_fields_are_cleared(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(
        teams, billing_email="a@example.com", billing_plan=team_pb2.BILLING_PLAN_PRO, max_concurrent_stagelets=77
    )
    mask = FieldMask(paths=["billing_email", "billing_plan", "max_concurrent_stagelets"])

    updated = (await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, update_mask=mask))).team

    assert not updated.HasField("billing_email")
    assert updated.billing_plan == team_pb2.BILLING_PLAN_FREE
    assert updated.max_concurrent_stagelets == 5


async def test_star_mask_selects_every_field(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams, billing_email="a@example.com", max_concurrent_stagelets=77)
    request = team_pb2.UpdateTeamRequest(id=team.id, name="New", update_mask=FieldMask(paths=["*"]))

    updated = (await teams.UpdateTeam(request)).team

    assert updated.name == "New"
    assert not updated.HasField("billing_email")
    assert updated.max_concurrent_stagelets == 5


async def test_required_field_cannot_be_cleared(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    with refused(StatusCode.INVALID_ARGUMENT, field="name"):
        await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, update_mask=FieldMask(paths=["name"])))


@pytest.mark.parametrize("path", ["slug", "created_at", "etag", "id", "nonsense", "name.first", "", "deleted_at"])
async def test_mask_with_an_immutable_or_unknown_field_is_refused(teams: TeamServiceAsyncStub, path: str) -> None:
    team = await make_team(teams)

    with refused(StatusCode.INVALID_ARGUMENT, field="update_mask"):
        await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, update_mask=FieldMask(paths=[path])))


async def test_update_without_changes_keeps_the_etag(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    updated = (await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name=team.name))).team

    assert updated == team


async def test_stale_etag_changes_nothing(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)
    newer = (await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New", etag=team.etag))).team

    for call in (
        teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="Newer", etag=team.etag)),
        teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id, etag=team.etag)),
    ):
        with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
            await call

    assert (await teams.GetTeam(team_pb2.GetTeamRequest(id=team.id))).team == newer


async def test_etag_of_another_team_is_stale(teams: TeamServiceAsyncStub) -> None:
    one, other = await make_team(teams), await make_team(teams)

    with refused(StatusCode.ABORTED, reason="ETAG_STALE"):
        await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=one.id, etag=other.etag))


async def test_deleted_team_cannot_be_changed_until_it_is_restored(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    deleted = (await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id, etag=team.etag))).team

    assert deleted.HasField("deleted_at")
    assert (await teams.GetTeam(team_pb2.GetTeamRequest(id=team.id))).team == deleted
    for call in (
        teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id)),
        teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New")),
    ):
        with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_DELETED") as refusal:
            await call
        assert refusal.details["PreconditionFailure"].violations[0].subject == f"Team {team.id}"

    restored = (await teams.UndeleteTeam(team_pb2.UndeleteTeamRequest(id=team.id, etag=deleted.etag))).team

    assert not restored.HasField("deleted_at")
    assert (await teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=team.id, name="New"))).team.name == "New"


async def test_team_that_is_not_deleted_cannot_be_restored(teams: TeamServiceAsyncStub) -> None:
    team = await make_team(teams)

    with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_NOT_DELETED"):
        await teams.UndeleteTeam(team_pb2.UndeleteTeamRequest(id=team.id))


async def test_change_of_an_unknown_team_is_not_found(teams: TeamServiceAsyncStub) -> None:
    unknown = str(uuid.uuid4())
    for call in (
        teams.UpdateTeam(team_pb2.UpdateTeamRequest(id=unknown, name="New")),
        teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=unknown)),
        teams.UndeleteTeam(team_pb2.UndeleteTeamRequest(id=unknown)),
    ):
        with refused(StatusCode.NOT_FOUND):
            await call


async def test_team_with_live_environments_is_deleted_only_with_force(
    teams: TeamServiceAsyncStub, database_url: str
) -> None:
    team = await make_team(teams)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "WITH project AS (INSERT INTO projects (team_id, slug, name, repo_url)"
            " VALUES (%s, 'web', 'Web', 'https://example.com/web') RETURNING id)"
            " INSERT INTO environments (project_id, branch_name, commit_hash, subdomain_hash)"
            " SELECT id, 'main', 'abcdef0', %s FROM project",
            (team.id, f"env-{uuid.uuid4().hex[:12]}"),
        )

    with refused(StatusCode.FAILED_PRECONDITION, reason="TEAM_HAS_LIVE_ENVIRONMENTS"):
        await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id))
    deleted = (await teams.DeleteTeam(team_pb2.DeleteTeamRequest(id=team.id, force=True))).team

    assert deleted.HasField("deleted_at")
