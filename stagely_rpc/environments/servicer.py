"""EnvironmentService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import environment_pb2, environment_pb2_grpc
from stagely_rpc.environments import service
from stagely_rpc.environments.convert import environment_to_proto
from stagely_rpc.environments.inputs import (
    EnvironmentChanges,
    EnvironmentFilter,
    EnvironmentKey,
    NewEnvironment,
    PullRequestHead,
    Transition,
)
from stagely_rpc.fields import Target
from stagely_rpc.wire.requests import parse, parse_changes

if TYPE_CHECKING:
    from stagely_rpc.db.database import Database
    from stagely_rpc.db.models.rows import EnvironmentRow
    from stagely_rpc.wire.context import Context
    from stagely_rpc.wire.paging import PageTokens


class EnvironmentServicer(environment_pb2_grpc.EnvironmentServiceServicer):
    """Preview environments."""

    def __init__(self, db: Database, pages: PageTokens, domain: str) -> None:
        self._db = db
        self._pages = pages
        self._domain = domain

    async def CreateEnvironment(
        self, request: environment_pb2.CreateEnvironmentRequest, context: Context
    ) -> environment_pb2.CreateEnvironmentResponse:
        new = parse(NewEnvironment, request)
        async with self._db.write() as session:
            environment = await service.create_environment(session, new)
            return session.answer(environment_pb2.CreateEnvironmentResponse(environment=self._to_proto(environment)))

    async def EnsureEnvironment(
        self, request: environment_pb2.EnsureEnvironmentRequest, context: Context
    ) -> environment_pb2.EnsureEnvironmentResponse:
        head = parse(PullRequestHead, request)
        async with self._db.write() as session:
            environment, created = await service.ensure_environment(session, head)
            return session.answer(
                environment_pb2.EnsureEnvironmentResponse(environment=self._to_proto(environment), created=created)
            )

    async def GetEnvironment(
        self, request: environment_pb2.GetEnvironmentRequest, context: Context
    ) -> environment_pb2.GetEnvironmentResponse:
        key = parse(EnvironmentKey, request)
        async with self._db.read() as session:
            environment = await service.get_environment(session, key)
            return environment_pb2.GetEnvironmentResponse(environment=self._to_proto(environment))

    async def ListEnvironments(
        self, request: environment_pb2.ListEnvironmentsRequest, context: Context
    ) -> environment_pb2.ListEnvironmentsResponse:
        wanted, page = parse(EnvironmentFilter, request), self._pages.page(request)
        async with self._db.read() as session:
            found = await service.list_environments(session, wanted, page)
            return environment_pb2.ListEnvironmentsResponse(
                environments=map(self._to_proto, found.rows),
                next_page_token=self._pages.next_page_token(request, found.last),
            )

    async def UpdateEnvironment(
        self, request: environment_pb2.UpdateEnvironmentRequest, context: Context
    ) -> environment_pb2.UpdateEnvironmentResponse:
        target = parse(Target, request)
        changes = parse_changes(EnvironmentChanges, request, environment_pb2.Environment.DESCRIPTOR)
        async with self._db.write() as session:
            environment = await service.update_environment(session, target, changes)
            return session.answer(environment_pb2.UpdateEnvironmentResponse(environment=self._to_proto(environment)))

    async def TransitionEnvironment(
        self, request: environment_pb2.TransitionEnvironmentRequest, context: Context
    ) -> environment_pb2.TransitionEnvironmentResponse:
        transition = parse(Transition, request)
        async with self._db.write() as session:
            environment = await service.transition_environment(session, transition)
            return session.answer(
                environment_pb2.TransitionEnvironmentResponse(environment=self._to_proto(environment))
            )

    async def TerminateEnvironment(
        self, request: environment_pb2.TerminateEnvironmentRequest, context: Context
    ) -> environment_pb2.TerminateEnvironmentResponse:
        target = parse(Target, request)
        async with self._db.write() as session:
            environment = await service.terminate_environment(session, target)
            return session.answer(environment_pb2.TerminateEnvironmentResponse(environment=self._to_proto(environment)))

    def _to_proto(self, environment: EnvironmentRow) -> environment_pb2.Environment:
        return environment_to_proto(environment, self._domain)
