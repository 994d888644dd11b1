"""Callers who read and write without pause, and repeat what failed until it is answered."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from stagely.v1 import project_pb2, project_pb2_grpc, secret_pb2, secret_pb2_grpc, team_pb2, team_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from campaigns.ledger import Ledger
    from campaigns.report import Report

HONEST_CODES = frozenset({"OK", "UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""What a fault of something else may look like to a caller: never INTERNAL, never UNKNOWN."""

CALL_SECONDS = 10.0
"""The deadline of every call."""
_PAUSE_SECONDS = 0.05
_READS = 5
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 500))


class Load:
    """Callers in parallel: of eight calls two are writes, each of a team or a secret of its own.

    Attributes:
        codes: how often a method ended with which code, each repetition counted.
        slowest_seconds: what the slowest single call took.
    """

    def __init__(self, address: str, ledger: Ledger, *, calls_per_second: float | None = None) -> None:
        """Take where to call, and where to note the writes.

        Args:
            address: of the service.
            ledger: of the writes.
            calls_per_second: of all callers together; None for as many as they can.
        """
        self.codes: Counter[tuple[str, str]] = Counter()
        self.slowest_seconds = 0.0
        self._address = address
        self._ledger = ledger
        self._rate = calls_per_second
        self._pause = 0.0
        self._project_id = ""
        self._stopping, self._answer = asyncio.Event(), asyncio.Condition()
        self._answered = 0

    @asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[Load]:
        """Call while the block runs; at its end every call under way is repeated until it is answered."""
        async with grpc.aio.insecure_channel(self._address, options=_OPTIONS) as channel:
            await self._prepare(channel)
            self._pause = callers / self._rate if self._rate else 0.0
            async with asyncio.TaskGroup() as group:
                for _ in range(callers):
                    group.create_task(self._run(channel))
                try:
                    yield self
                finally:
                    self._stopping.set()

    def judge(self, report: Report) -> None:
        """Note how the calls ended, and as a fault every code that callers must not see."""
        by_code: Counter[str] = Counter()
        for (_, code), number in self.codes.items():
            by_code[code] += number
        report.counted["calls by code"] = dict(by_code.most_common())
        report.counted["slowest call"] = f"{self.slowest_seconds:.1f} s"
        for (method, code), number in self.codes.items():
            report.expect(code in HONEST_CODES, f"{number} calls of {method} ended with {code}")

    async def answers(self, calls: int) -> None:
        """Wait until so many more calls were answered with OK."""
        enough = self._answered + calls
        async with self._answer:
            await self._answer.wait_for(lambda: self._answered >= enough)

    async def _prepare(self, channel: grpc.aio.Channel) -> None:
        name = await self._create_team(team_pb2_grpc.TeamServiceStub(channel))
        team = await team_pb2_grpc.TeamServiceStub(channel).GetTeam(team_pb2.GetTeamRequest(slug=name))
        request = project_pb2.CreateProjectRequest(
            team_id=team.team.id,
            slug=name,
            name=name,
            repo_url=f"https://git.example/{name}.git",
            request_id=str(uuid.uuid4()),
        )
        create = project_pb2_grpc.ProjectServiceStub(channel).CreateProject
        self._project_id = (await self._until_answered("CreateProject", create, request)).project.id

    async def _run(self, channel: grpc.aio.Channel) -> None:
        teams, stored = team_pb2_grpc.TeamServiceStub(channel), secret_pb2_grpc.SecretServiceStub(channel)
        while not self._stopping.is_set():
            slug = await self._create_team(teams)
            key = await self._set_secret(stored)
            name = secret_pb2.SecretName(project_id=self._project_id, key=key)
            await self._call("AccessSecret", stored.AccessSecret, secret_pb2.AccessSecretRequest(name=name))
            for _ in range(_READS):
                await self._call("GetTeam", teams.GetTeam, team_pb2.GetTeamRequest(slug=slug))

    async def _create_team(self, teams: Any) -> str:
        name, request_id = f"t-{secrets.token_hex(8)}", str(uuid.uuid4())
        self._ledger.send(request_id, name)
        request = team_pb2.CreateTeamRequest(slug=name, name=name, request_id=request_id)
        if await self._until_answered("CreateTeam", teams.CreateTeam, request):
            self._ledger.acknowledge(request_id)
        return name

    async def _set_secret(self, stored: Any) -> str:
        name, request_id = f"S_{secrets.token_hex(8).upper()}", str(uuid.uuid4())
        self._ledger.send(request_id, name)
        value = secrets.token_bytes(32)
        request = secret_pb2.SetSecretRequest(project_id=self._project_id, key=name, value=value, request_id=request_id)
        if await self._until_answered("SetSecret", stored.SetSecret, request):
            self._ledger.acknowledge(request_id)
        return name

    async def _until_answered(self, method: str, call: Callable[..., Any], request: Any) -> Any:
        """Call until there is a response, and return it; None if the call ended as none must, which is judged later."""
        code, response = await self._call(method, call, request)
        while code in HONEST_CODES and response is None:
            await asyncio.sleep(_PAUSE_SECONDS)
            code, response = await self._call(method, call, request)
        return response

    async def _call(self, method: str, call: Callable[..., Any], request: Any) -> tuple[str, Any]:
        """Call once, and return the code, and the response if there is one."""
        await asyncio.sleep(self._pause)
        header = (("x-request-id", getattr(request, "request_id", "") or str(uuid.uuid4())),)
        began, code, response = time.monotonic(), "OK", None
        try:
            response = await call(request, timeout=CALL_SECONDS, metadata=header)
        except grpc.aio.AioRpcError as error:
            code = error.code().name
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        self.codes[method, code] += 1
        if response is not None:
            async with self._answer:
                self._answered += 1
                self._answer.notify_all()
        return code, response
