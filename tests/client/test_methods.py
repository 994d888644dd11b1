"""Every RPC is a method, and a method is its RPC: seen from the other end, and by the real server."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import MessageToDict

from stagely.v1 import environment_pb2, team_pb2
from stagely_rpc.client import Services, SyncServices, connect, connect_sync
from tests.support.eventually import eventually
from tests.support.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stagely_rpc.client import Stagely, SyncStagely
    from tests.support.client.recorder import Recorder

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"


def methods_of(client: Services | SyncServices) -> Iterator[Callable[..., Any]]:
    """Yield every method of every service that a client has."""
    kind = Services if isinstance(client, Services) else SyncServices
    for name in vars(kind):
        if not name.startswith("_"):
            service = getattr(client, name)
            yield from (getattr(service, method) for method in vars(type(service)) if not method.startswith("_"))


def required_of(method: Callable[..., Any]) -> dict[str, None]:
    """Leave what must be given unset: a recorder asks for nothing."""
    parameters = inspect.signature(method).parameters.values()
    return {each.name: None for each in parameters if each.default is each.empty}


async def call_all(target: str) -> None:
    async with connect(target) as stagely:
        for method in methods_of(stagely):
            result = method(**required_of(method))
            if isinstance(result, AsyncIterable):
                async for _ in result:
                    pass
            else:
                await result


def call_all_without_asyncio(target: str) -> None:
    with connect_sync(target) as stagely:
        for method in methods_of(stagely):
            result = method(**required_of(method))
            if isinstance(result, Iterable):
                for _ in result:
                    pass


async def test_every_rpc_of_the_contract_is_a_method(recorder: Recorder) -> None:
    await call_all(recorder.target)

    assert sorted(received.name for received in recorder.received) == sorted(method.name for method in METHODS)


async def test_every_rpc_of_the_contract_is_a_method_without_asyncio(recorder: Recorder) -> None:
    await asyncio.to_thread(call_all_without_asyncio, recorder.target)

    assert sorted(received.name for received in recorder.received) == sorted(method.name for method in METHODS)


async def test_both_clients_have_the_same_methods(recorder: Recorder) -> None:
    async with connect(recorder.target) as stagely:
        with connect_sync(recorder.target) as sync_stagely:
            pairs = list(zip(methods_of(stagely), methods_of(sync_stagely), strict=True))

    for method, sync_method in pairs:
        assert method.__name__ == sync_method.__name__
        assert inspect.signature(method).parameters == inspect.signature(sync_method).parameters
        assert method.__doc__ == sync_method.__doc__


async def test_only_writes_have_a_new_request_id(recorder: Recorder) -> None:
    """An id of a request is a filter where nothing is changed."""
    await call_all(recorder.target)

    ids = {each.name: each.request.request_id for each in recorder.received if "request_id" in dir(each.request)}
    changes = {method.name for method in METHODS if method.changes_something}
    assert {name for name, request_id in ids.items() if request_id} == changes
    assert len({ids[name] for name in changes}) == len(changes)


async def test_request_id_of_the_caller_is_sent_unchanged(recorder: Recorder) -> None:
    async with connect(recorder.target) as stagely:
        await stagely.teams.create(slug="web", name="Web", request_id=SOME_ID)

    assert recorder.received[0].request.request_id == SOME_ID


async def test_fields_are_arguments_and_others_stay_unset(recorder: Recorder) -> None:
    async with connect(recorder.target) as stagely:
        await stagely.teams.list(show_deleted=True, billing_plan="pro").pages().__anext__()
        await (
            stagely.environments.list(
                statuses=["ready", environment_pb2.ENVIRONMENT_STATUS_FAILED, "ENVIRONMENT_STATUS_PENDING"]  # type: ignore[list-item]
            )
            .pages()
            .__anext__()
        )
        await stagely.environments.get(pull_request={"project_id": SOME_ID, "pr_number": 7})

    teams, environments, environment = (received.request for received in recorder.received)
    assert teams == team_pb2.ListTeamsRequest(show_deleted=True, billing_plan=team_pb2.BILLING_PLAN_PRO)
    assert list(environments.statuses) == [
        environment_pb2.ENVIRONMENT_STATUS_READY,
        environment_pb2.ENVIRONMENT_STATUS_FAILED,
        environment_pb2.ENVIRONMENT_STATUS_PENDING,
    ]
    assert environment.pull_request == environment_pb2.PullRequest(project_id=SOME_ID, pr_number=7)


async def test_update_changes_given_fields_and_clears_none(stagely: Stagely, slug: str) -> None:
    team = await stagely.teams.create(slug=slug, name="Acme", billing_email="ada@example.com", billing_plan="pro")

    renamed = await stagely.teams.update(team.id, name="Acme, Inc.", etag=team.etag)
    cleared = await stagely.teams.update(team.id, billing_email=None, billing_plan=None)

    assert (renamed.name, renamed.billing_email) == ("Acme, Inc.", "ada@example.com")
    assert renamed.billing_plan == team_pb2.BILLING_PLAN_PRO
    assert (cleared.name, cleared.HasField("billing_email")) == ("Acme, Inc.", False)
    assert cleared.billing_plan == team_pb2.BILLING_PLAN_FREE


async def test_team_is_created_and_found(stagely: Stagely, slug: str) -> None:
    team = await stagely.teams.create(slug=slug, name="Acme")
    upserted = await stagely.users.upsert(email=f"{slug}@example.com", name="Ada", github_id=slug, email_verified=True)
    member = await stagely.teams.add_member(team_id=team.id, user_id=upserted.user.id, role="owner")
    project = await stagely.projects.create(
        team_id=team.id, slug="web", name="Web", repo_url="https://example.com/web", config={"build": {"cache": True}}
    )
    await stagely.secrets.set(project_id=project.id, key="TOKEN", value=b"correct horse")
    (resolved,) = (await stagely.secrets.resolve(project_id=project.id)).secrets

    assert await stagely.teams.get(slug=slug) == await stagely.teams.get(team.id)
    assert upserted.created
    assert member.role == team_pb2.TEAM_ROLE_OWNER
    assert MessageToDict(project.config) == {"build": {"cache": True}}
    assert resolved.value == b"correct horse"
    assert len(set((await stagely.ids.generate_many(count=3)).ids)) == 3
    await stagely.projects.delete(project.id, force=True)
    assert [found async for found in stagely.projects.list(team_id=team.id)] == []


async def test_team_is_created_and_found_without_asyncio(sync_stagely: SyncStagely, slug: str) -> None:
    def use() -> None:
        team = sync_stagely.teams.create(slug=slug, name="Acme", max_concurrent_builds=0)
        renamed = sync_stagely.teams.update(team.id, name="Acme, Inc.")
        user = sync_stagely.users.upsert(email=f"{slug}@example.com", name="Ada", email_verified=True).user
        sync_stagely.teams.add_member(team_id=team.id, user_id=user.id, role="viewer")

        assert sync_stagely.teams.get(slug=slug) == renamed
        assert team.max_concurrent_builds == 0
        assert [found.user_id for found in sync_stagely.teams.list_members(team_id=team.id)] == [user.id]

    await asyncio.to_thread(use)


@pytest.mark.parametrize("rows", [0, 1])
async def test_stream_is_read_as_it_arrives(stagely: Stagely, slug: str, rows: int) -> None:
    team_id = (await stagely.teams.create(slug=slug, name="Acme")).id if rows else None

    answers = [answer async for answer in stagely.audit.verify_log(team_id=team_id)]

    assert answers[-1].HasField("verdict")


async def test_unfinished_stream_ends_at_the_server_too(recorder: Recorder) -> None:
    recorder.streams_may_end.clear()

    async def ended() -> int:
        return recorder.ended_streams

    async with connect(recorder.target) as stagely:
        async with aclosing(stagely.audit.verify_log()) as responses:
            await anext(responses)

        await eventually(ended, 1)


async def test_unfinished_stream_ends_at_the_server_too_without_asyncio(recorder: Recorder) -> None:
    recorder.streams_may_end.clear()
    with connect_sync(recorder.target) as stagely:

        def read_one() -> None:
            for _ in stagely.audit.verify_log():
                break

        async def ended() -> int:
            return recorder.ended_streams

        await asyncio.to_thread(read_one)

        await eventually(ended, 1)
