"""The load of a campaign: parallel callers that read and write without pause and retry failed writes."""

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

EXPECTED_CODES = frozenset({"OK", "UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""The codes that callers may see during an injected fault. INTERNAL and UNKNOWN are not among them."""

CALL_SECONDS = 10.0
"""The deadline of every call."""
_PAUSE_SECONDS = 0.05
_READS = 5
_OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 500))


class Load:
    """Parallel callers. Two of eight calls are writes: each creates a new team or a new secret.

    Attributes:
        codes: the number of calls by method and code; retries count.
        slowest_seconds: the duration of the slowest call.
    """

    def __init__(self, address: str, ledger: Ledger, *, calls_per_second: float | None = None) -> None:
        """Take the address and the ledger.

        Args:
            address: the address of the service.
            ledger: records the writes.
            calls_per_second: the rate of all callers together; None for as fast as possible.
        """
        self.codes: Counter[tuple[str, str]] = Counter()
        self.slowest_seconds = 0.0
        self._address = address
        self._ledger = ledger
        self._rate = calls_per_second
        self._pause = 0.0
        self._project_id = ""
        self._stopping, self._response = asyncio.Event(), asyncio.Condition()
        self._responses = 0

    @asynccontextmanager
    async def running(self, callers: int) -> AsyncIterator[Load]:
        """Run the callers during the block. At its end, retry each unfinished write until it has a response."""
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

    def add_to(self, report: Report) -> None:
        """Add the codes of the calls to the report. Each unexpected code is a violation."""
        by_code: Counter[str] = Counter()
        for (_, code), number in self.codes.items():
            by_code[code] += number
        report.counted["calls by code"] = dict(by_code.most_common())
        report.counted["slowest call"] = f"{self.slowest_seconds:.1f} s"
        for (method, code), number in self.codes.items():
            report.expect(code in EXPECTED_CODES, f"{number} calls of {method} ended with {code}")

    async def wait_for_responses(self, calls: int) -> None:
        """Wait until this many more calls have returned OK."""
        enough = self._responses + calls
        async with self._response:
            await self._response.wait_for(lambda: self._responses >= enough)

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
        self._project_id = (await self._retry_until_ok("CreateProject", create, request)).project.id

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
        if await self._retry_until_ok("CreateTeam", teams.CreateTeam, request):
            self._ledger.acknowledge(request_id)
        return name

    async def _set_secret(self, stored: Any) -> str:
        name, request_id = f"S_{secrets.token_hex(8).upper()}", str(uuid.uuid4())
        self._ledger.send(request_id, name)
        value = secrets.token_bytes(32)
        request = secret_pb2.SetSecretRequest(project_id=self._project_id, key=name, value=value, request_id=request_id)
        if await self._retry_until_ok("SetSecret", stored.SetSecret, request):
            self._ledger.acknowledge(request_id)
        return name

    async def _retry_until_ok(self, method: str, call: Callable[..., Any], request: Any) -> Any:
        """Retry a call until it returns OK; return the response, or None after an unexpected code."""
        code, response = await self._call(method, call, request)
        while code in EXPECTED_CODES and response is None:
            await asyncio.sleep(_PAUSE_SECONDS)
            code, response = await self._call(method, call, request)
        return response

    async def _call(self, method: str, call: Callable[..., Any], request: Any) -> tuple[str, Any]:
        """Make one call; return its code, and its response or None."""
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
            async with self._response:
                self._responses += 1
                self._response.notify_all()
        return code, response
