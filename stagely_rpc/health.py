"""Health (grpc.health.v1): the truth about the database, told by a prober that shares nothing with the calls."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
import structlog
from grpc_health.v1 import health, health_pb2

from stagely_rpc.db.failures import why_unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable

    from stagely_rpc.interceptors.metadata import Context

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

LIVENESS = "liveness"
"""The name that is SERVING for as long as the process can answer at all, whatever the database does."""

_FAILURES_TO_TURN = 2
_SUCCESSES_TO_TURN = 1

_log = structlog.get_logger(__name__)


class UnhealthyError(Exception):
    """Why the service can't serve, in one line without a secret."""


class Probe(Protocol):
    """One look at what the service needs."""

    def __call__(self) -> Awaitable[None]:
        """Return if all is well.

        Raises:
            UnhealthyError: something is not.
        """
        ...


class HealthServicer(health.aio.HealthServicer):  # type: ignore[misc]
    """grpc.health.v1 with List, and with Watch streams that end when the server does.

    Every name starts NOT_SERVING; liveness is SERVING.
    """

    def __init__(self, services: Iterable[str]) -> None:
        super().__init__()
        self._server_status = {"": NOT_SERVING, **dict.fromkeys(services, NOT_SERVING), LIVENESS: SERVING}
        self._changed = asyncio.Event()

    async def List(self, request: health_pb2.HealthListRequest, context: Context) -> health_pb2.HealthListResponse:
        """Return the status of every name."""
        del request, context
        statuses = {name: health_pb2.HealthCheckResponse(status=status) for name, status in self._server_status.items()}
        return health_pb2.HealthListResponse(statuses=statuses)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the status of a name, now and whenever it changes."""
        del context
        last = None
        while True:
            changed = self._changed
            status = self._server_status.get(request.service, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
            last = status
            if self._gracefully_shutting_down:
                return
            await changed.wait()

    async def set_ready(self, *, ready: bool) -> None:
        """Set every name but liveness."""
        for name in [name for name in self._server_status if name != LIVENESS]:
            await self.set(name, SERVING if ready else NOT_SERVING)
        self._wake_watchers()

    async def enter_graceful_shutdown(self) -> None:
        """Set every name to NOT_SERVING for good, and end the Watch streams once they have said so."""
        await super().enter_graceful_shutdown()
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Prober:
    """Looks every few seconds, and turns the health on one success and off on two failures in a row.

    One lost packet takes no replica out of a balancer; a database that is gone does, within two intervals and timeouts.
    """

    def __init__(
        self, probe: Probe, servicer: HealthServicer, *, interval_seconds: float, timeout_seconds: float
    ) -> None:
        self._probe = probe
        self._servicer = servicer
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._ready = False
        self._streak = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once now, and from then on in the background."""
        await self.look()
        self._task = asyncio.create_task(self._run(), name="health-prober")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def look(self) -> None:
        """Look once, and turn the health if that is due."""
        failure = await self._failure()
        if (failure is None) == self._ready:
            self._streak = 0
            return
        self._streak += 1
        if self._streak < (_FAILURES_TO_TURN if failure else _SUCCESSES_TO_TURN):
            return
        self._ready, self._streak = failure is None, 0
        await self._servicer.set_ready(ready=self._ready)
        if failure:
            _log.error("not serving", reason=failure)
        else:
            _log.info("serving")

    async def _failure(self) -> str | None:
        # Not wait_for, which waits for what it cancels: a driver that hangs on a paused database may hang there too.
        looking = asyncio.ensure_future(self._probe())
        await asyncio.wait({looking}, timeout=self._timeout_seconds)
        if not looking.done():
            looking.cancel()
            return f"the database did not answer within {self._timeout_seconds:g} s"
        error = looking.exception()
        if error is None or isinstance(error, UnhealthyError):
            return str(error) if error else None
        return f"the probe failed: {type(error).__name__}"

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            await self.look()


class DatabaseProbe:
    """Asks the database for its schema's revision, on a connection of its own: a pool in full use is no ill health."""

    def __init__(self, url: str, expected_revision: str) -> None:
        self._url = url
        self._expected_revision = expected_revision
        self._connection: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    async def __call__(self) -> None:
        """Look at the database.

        Raises:
            UnhealthyError: it is away, read-only, or its schema is behind.
        """
        try:
            read_only, revision = await self._look()
        except psycopg.Error as error:
            raise UnhealthyError(f"the database is out of reach: {why_unreachable(error, self._url)}") from error
        if read_only:
            raise UnhealthyError("the database is read-only")
        check_revision(revision, self._expected_revision)

    async def close(self) -> None:
        """Close the probe's connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _look(self) -> tuple[bool, str | None]:
        # A look that hangs keeps its connection to itself, and the next one opens another.
        connection, self._connection = self._connection, None
        if connection is None:
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, prepare_threshold=None, application_name="stagely-rpc health"
            )
        try:
            found = await _read_state(connection)
        except BaseException:
            await connection.close()
            raise
        if found[0]:
            # Another of the URL's hosts may be the one to write to by now.
            await connection.close()
        else:
            self._connection = connection
        return found


async def _read_state(connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> tuple[bool, str | None]:
    """Return whether the database is read-only, and the revision of its schema, if it has one."""
    cursor = await connection.execute(
        "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool,"
        " to_regclass('alembic_version')"
    )
    read_only, versions = await cursor.fetchone() or (False, None)
    if versions is None:
        return read_only, None
    cursor = await connection.execute("SELECT version_num FROM alembic_version")
    row = await cursor.fetchone()
    return read_only, row[0] if row else None


def check_revision(found: str | None, needed: str) -> None:
    """Check that the schema is not behind; one that is ahead serves too, or no release could be rolled out.

    Raises:
        UnhealthyError: it is behind; the message names both revisions.
    """
    if found is None or found < needed:
        state = f"is at revision {found}" if found else "is missing"
        raise UnhealthyError(
            f"the database's schema {state}, this version needs revision {needed}: run `stagely-rpc migrate up`"
        )
