"""The floors: a bare grpc.aio server with the options of the real one, and methods written by hand without a chain.

Run by `python -m benchmarks.floors` with DATABASE_URL. Each method but the echo takes a connection from a pool of the
size that the service has, sends one prepared statement (a write: BEGIN, INSERT, COMMIT) and builds the whole message.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
import orjson
import psycopg
import uvloop
from google.protobuf.wrappers_pb2 import BytesValue
from psycopg.rows import namedtuple_row

from benchmarks.cases import FLOORS
from stagely.v1 import environment_pb2, secret_pb2, team_pb2
from stagely_rpc.db.engine import PoolLimits
from stagely_rpc.environments.convert import environment_to_proto
from stagely_rpc.secrets.convert import secret_to_proto
from stagely_rpc.server import OPTIONS
from stagely_rpc.teams.convert import team_to_proto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.message import Message

_DOMAIN = "stagely.dev"
_MAX_CONCURRENT_RPCS = 1000


class Pool:
    """Connections, each used by one call at a time; the one used last is used first."""

    def __init__(self) -> None:
        self._idle: asyncio.LifoQueue[psycopg.AsyncConnection[Any]] = asyncio.LifoQueue()

    async def open(self, url: str, size: int) -> None:
        """Connect."""
        for _ in range(size):
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=namedtuple_row)
            self._idle.put_nowait(connection)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Give a connection, and take it back."""
        connection = await self._idle.get()
        try:
            yield connection
        finally:
            self._idle.put_nowait(connection)

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of one statement."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, values, prepare=True)
            return await cursor.fetchall()


class Floors:
    """What is to be compared with."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def echo(self, request: BytesValue, _: object) -> BytesValue:
        """Return what came."""
        return request

    async def get_team(self, request: team_pb2.GetTeamRequest, _: object) -> team_pb2.GetTeamResponse:
        """SELECT a team by its primary key."""
        rows = await self._pool.fetch("SELECT * FROM teams WHERE id = %s", uuid.UUID(request.id))
        return team_pb2.GetTeamResponse(team=team_to_proto(rows[0]))

    async def get_environment(
        self, request: environment_pb2.GetEnvironmentRequest, _: object
    ) -> environment_pb2.GetEnvironmentResponse:
        """SELECT an environment by its subdomain."""
        rows = await self._pool.fetch("SELECT * FROM environments WHERE subdomain_hash = %s", request.subdomain_hash)
        return environment_pb2.GetEnvironmentResponse(environment=environment_to_proto(rows[0], _DOMAIN))

    async def list_environments(
        self, request: environment_pb2.ListEnvironmentsRequest, _: object
    ) -> environment_pb2.ListEnvironmentsResponse:
        """SELECT a project's newest environments."""
        rows = await self._pool.fetch(
            "SELECT * FROM environments WHERE project_id = %s ORDER BY created_at DESC, id DESC LIMIT %s",
            uuid.UUID(request.project_id),
            request.page_size,
        )
        return environment_pb2.ListEnvironmentsResponse(
            environments=[environment_to_proto(row, _DOMAIN) for row in rows]
        )

    async def get_secret(self, request: secret_pb2.AccessSecretRequest, _: object) -> secret_pb2.AccessSecretResponse:
        """SELECT a secret by its primary key, and leave it encrypted."""
        rows = await self._pool.fetch("SELECT * FROM secrets WHERE id = %s", uuid.UUID(request.id))
        secret = rows[0]
        return secret_pb2.AccessSecretResponse(secret=secret_to_proto(secret), value=secret.encrypted_value.encode())

    async def insert_secret(self, request: secret_pb2.SetSecretRequest, _: object) -> secret_pb2.SetSecretResponse:
        """INSERT a secret in a transaction, and encrypt nothing."""
        values = (uuid.UUID(request.project_id), uuid.uuid4().hex, request.value.decode())
        async with self._pool.connection() as connection:
            await connection.execute("BEGIN", prepare=True)
            cursor = await connection.execute(
                "INSERT INTO secrets (project_id, key, encrypted_value) VALUES (%s, %s, %s) RETURNING *",
                values,
                prepare=True,
            )
            row: Any = await cursor.fetchone()
            await connection.execute("COMMIT", prepare=True)
        return secret_pb2.SetSecretResponse(secret=secret_to_proto(row), created=True)

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the methods as gRPC takes them."""
        return grpc.method_handlers_generic_handler(
            FLOORS,
            {
                "Echo": _unary(self.echo, BytesValue),
                "GetTeam": _unary(self.get_team, team_pb2.GetTeamRequest),
                "GetEnvironment": _unary(self.get_environment, environment_pb2.GetEnvironmentRequest),
                "ListEnvironments": _unary(self.list_environments, environment_pb2.ListEnvironmentsRequest),
                "GetSecret": _unary(self.get_secret, secret_pb2.AccessSecretRequest),
                "InsertSecret": _unary(self.insert_secret, secret_pb2.SetSecretRequest),
            },
        )


def _unary(behavior: Callable[[Any, object], Any], request: type[Message]) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(behavior, request.FromString, _serialized)


def _serialized(response: Message) -> bytes:
    return response.SerializeToString()


async def serve(database_url: str) -> None:
    """Serve on a free port until the process is ended, and say on standard error where."""
    pool = Pool()
    await pool.open(database_url, PoolLimits().size)
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=_MAX_CONCURRENT_RPCS)
    server.add_generic_rpc_handlers((Floors(pool).handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(orjson.dumps({"event": "listening", "address": f"127.0.0.1:{port}"}).decode(), file=sys.stderr, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(os.environ["DATABASE_URL"]))
