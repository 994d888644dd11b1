"""What went wrong, as the caller sees it: of the real server, of one that answers with any code, and of none at all."""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest

from stagely_rpc import client
from stagely_rpc.client import StagelyError, connect, connect_sync
from stagely_rpc.client.errors import ERROR_BY_CODE
from tests.support.rpc import running_server
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from stagely.v1.project_pb2 import Project
    from stagely_rpc.client import Stagely
    from stagely_rpc.server.server import Server
    from tests.support.client.recorder import Recorder

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"
FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@pytest.mark.parametrize("code", FAILURES, ids=lambda code: code.name)
async def test_every_code_is_an_error_of_its_class(recorder: Recorder, code: grpc.StatusCode) -> None:
    recorder.answers = [code] * 5
    expected = ERROR_BY_CODE.get(code, StagelyError)

    async with connect(recorder.target) as stagely:
        with pytest.raises(StagelyError) as failed:
            await stagely.teams.get("web")

    assert type(failed.value) is expected
    assert failed.value.code is code
    assert failed.value.message == f"told to answer {code.name}"
    assert str(failed.value) == f"{code.name}: told to answer {code.name}"


def test_every_class_is_exported_and_stands_for_a_code_or_a_size_limit() -> None:
    classes = {kind for kind in vars(client).values() if isinstance(kind, type) and issubclass(kind, StagelyError)}

    assert classes == {StagelyError, client.MessageTooLargeError, *ERROR_BY_CODE.values()}
    assert all(f"{kind.__name__}" in client.__all__ for kind in classes)


async def test_shed_call_is_an_unavailable_error(recorder: Recorder) -> None:
    recorder.answers = [grpc.StatusCode.CANCELLED] * 5

    async with connect(recorder.target) as stagely:
        with pytest.raises(client.UnavailableError) as failed:
            await stagely.teams.get("web")

    assert failed.value.code is grpc.StatusCode.CANCELLED


async def test_invalid_request_names_its_fields(stagely: Stagely) -> None:
    with pytest.raises(client.InvalidArgumentError) as failed:
        await stagely.teams.create(slug="No Slug", name="")

    assert {violation.field for violation in failed.value.violations} == {"slug", "name"}
    assert all(violation.description for violation in failed.value.violations)
    assert failed.value.reason == "INVALID_REQUEST"


async def test_missing_resource_is_named(stagely: Stagely) -> None:
    with pytest.raises(client.NotFoundError) as failed:
        await stagely.teams.get(SOME_ID)

    assert failed.value.resource == client.Resource("stagely.v1.Team", SOME_ID)
    assert failed.value.reason == "RESOURCE_NOT_FOUND"
    assert len(failed.value.request_id) == 36
    assert str(failed.value).endswith(f"(request id {failed.value.request_id})")


async def test_taken_value_is_named(stagely: Stagely, slug: str) -> None:
    await stagely.teams.create(slug=slug, name="Acme")

    with pytest.raises(client.AlreadyExistsError) as failed:
        await stagely.teams.create(slug=slug, name="Acme")

    assert failed.value.resource == client.Resource("stagely.v1.Team", slug)


async def test_wrong_state_and_stale_etag_are_different_errors(stagely: Stagely, slug: str) -> None:
    team = await stagely.teams.create(slug=slug, name="Acme")

    with pytest.raises(client.FailedPreconditionError):
        await stagely.teams.undelete(team.id)
    await stagely.teams.update(team.id, name="New")
    with pytest.raises(client.AbortedError):
        await stagely.teams.update(team.id, name="Newer", etag=team.etag)


async def test_quota_has_no_retry_delay(stagely: Stagely, slug: str) -> None:
    project = await make_project(stagely, slug, max_concurrent_stagelets=0)

    with pytest.raises(client.ResourceExhaustedError) as failed:
        await stagely.environments.ensure(project_id=project.id, pr_number=1, branch_name="b", commit_hash="a" * 40)

    assert failed.value.reason == "ENVIRONMENT_QUOTA_EXCEEDED"
    assert failed.value.retry_delay is None


async def test_undecryptable_value_is_a_data_loss_error(stagely: Stagely, slug: str, database_url: str) -> None:
    project = await make_project(stagely, slug)
    secret = (await stagely.secrets.set(project_id=project.id, key="TOKEN", value=b"correct horse")).secret
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("UPDATE secrets SET encrypted_value = 'plaintext' WHERE id = %s", [secret.id])

    with pytest.raises(client.DataLossError):
        await stagely.secrets.access(secret.id)


async def test_overload_has_a_retry_delay(fresh_database_url: str) -> None:
    settings = {"database_pool_size": 1, "database_pool_idle": 1, "database_pool_wait_seconds": 0.1}
    async with (
        running_server(fresh_database_url, **settings) as server,
        connect(f"127.0.0.1:{server.port}") as stagely,
        await psycopg.AsyncConnection.connect(fresh_database_url) as holder,
    ):
        team = await stagely.teams.create(slug="web", name="Web")
        await holder.execute("SELECT FROM teams FOR UPDATE")
        waiting = asyncio.create_task(stagely.teams.update(team.id, name="New"))
        await asyncio.sleep(0.2)

        with pytest.raises(client.ResourceExhaustedError) as failed:
            await stagely.teams.get(team.id)

        await holder.rollback()
        assert (await waiting).name == "New"
    assert failed.value.reason == "OVERLOADED"
    assert failed.value.retry_delay == dt.timedelta(seconds=1)


async def test_missing_token_and_missing_permission_are_different_errors(database_url: str) -> None:
    async with running_server(database_url, **AUTHENTICATION) as server:
        target = f"127.0.0.1:{server.port}"
        async with connect(target) as nobody, connect(target, token=token("reaper", "teams.get")) as reaper:
            with pytest.raises(client.UnauthenticatedError):
                await nobody.teams.get(SOME_ID)
            with pytest.raises(client.PermissionDeniedError):
                await reaper.teams.create(slug="web", name="Web")
            with pytest.raises(client.NotFoundError):
                await reaper.teams.get(SOME_ID)


async def test_exceeded_deadline_has_its_own_error(stagely: Stagely, slug: str, database_url: str) -> None:
    team = await stagely.teams.create(slug=slug, name="Acme")
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT FROM teams WHERE id = %s FOR UPDATE", [team.id])

        with pytest.raises(client.DeadlineExceededError):
            await stagely.teams.update(team.id, name="New", timeout=0.3)


async def test_unreachable_service_has_its_own_error(closed_port: int) -> None:
    async with connect(f"127.0.0.1:{closed_port}") as stagely:
        with pytest.raises(client.UnavailableError) as failed:
            await stagely.teams.get(SOME_ID)

    assert (failed.value.reason, failed.value.request_id) == ("", "")


async def test_error_of_a_list_and_of_a_stream_is_typed(stagely: Stagely) -> None:
    with pytest.raises(client.InvalidArgumentError):
        await anext(aiter(stagely.teams.list(page_token="made up")))
    with pytest.raises(client.NotFoundError):
        await anext(aiter(stagely.audit.verify_log(team_id=SOME_ID)))


async def test_errors_without_asyncio_are_the_same(server: Server) -> None:
    def fail() -> list[StagelyError]:
        failures = []
        with connect_sync(f"127.0.0.1:{server.port}") as stagely:
            for call in (
                lambda: stagely.teams.get(SOME_ID),
                lambda: stagely.teams.create(slug="No Slug", name="Acme"),
                lambda: list(stagely.audit.verify_log(team_id=SOME_ID)),
            ):
                with pytest.raises(StagelyError) as failed:
                    call()
                failures.append(failed.value)
        return failures

    missing, wrong, stream = await asyncio.to_thread(fail)

    assert isinstance(missing, client.NotFoundError)
    assert missing.resource == client.Resource("stagely.v1.Team", SOME_ID)
    assert isinstance(wrong, client.InvalidArgumentError)
    assert [violation.field for violation in wrong.violations] == ["slug"]
    assert isinstance(stream, client.NotFoundError)


async def test_error_can_be_pickled(stagely: Stagely) -> None:
    with pytest.raises(client.InvalidArgumentError) as failed:
        await stagely.teams.create(slug="No Slug", name="")

    arrived = pickle.loads(pickle.dumps(failed.value))  # noqa: S301

    assert type(arrived) is client.InvalidArgumentError
    assert arrived.__dict__ == failed.value.__dict__
    assert str(arrived) == str(failed.value)


async def test_error_contains_nothing_of_the_request(stagely: Stagely, slug: str) -> None:
    project = await make_project(stagely, slug)

    with pytest.raises(client.InvalidArgumentError) as failed:
        await stagely.secrets.set(project_id=project.id, key="no key", value=b"correct-horse-battery")

    cause = failed.value.__cause__
    assert isinstance(cause, grpc.aio.AioRpcError)
    assert "correct-horse" not in repr(failed.value) + str(failed.value.__dict__) + repr(cause) + str(cause)


async def make_project(stagely: Stagely, slug: str, **team: Any) -> Project:
    made = await stagely.teams.create(slug=slug, name="Acme", **team)
    return await stagely.projects.create(
        team_id=made.id, slug="web", name="Web", repo_url="https://example.com/acme/web"
    )
