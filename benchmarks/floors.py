"""The floors: a bare grpc.aio server with the service's options, and handwritten methods without interceptors.

Run with `python -m benchmarks.floors`, DATABASE_URL and PORT. Each method except the echo takes a connection from a
pool of the service's size, sends one prepared statement (a write: BEGIN, the statement, COMMIT) and builds the complete
message.
"""

from __future__ import annotations

import base64
import os
import uuid
from typing import TYPE_CHECKING, Any

import grpc
import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.cases import FLOORS
from benchmarks.floor_writes import DOMAIN, WRITES
from benchmarks.pool import Pool
from stagely.v1 import environment_pb2, secret_pb2, team_pb2
from stagely_rpc.environments.convert import environment_to_proto
from stagely_rpc.secrets.convert import resolved_to_proto
from stagely_rpc.teams.convert import team_to_proto
from stagely_rpc.transport.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from google.protobuf.message import Message

    from benchmarks.floor_writes import Write

NONCE_BYTES = 12
RESOLVED_KEY = bytes(32)
"""The key of the secrets that the floor of ResolveSecrets decrypts; `benchmarks.copies` encrypts them."""

_MAX_CONCURRENT_RPCS = 1000


class Floors:
    """The methods to compare with."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._key = AESGCM(RESOLVED_KEY)

    async def echo(self, request: BytesValue, _: object) -> BytesValue:
        """Return the request."""
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
        return environment_pb2.GetEnvironmentResponse(environment=environment_to_proto(rows[0], DOMAIN))

    async def list_environments(
        self, request: environment_pb2.ListEnvironmentsRequest, _: object
    ) -> environment_pb2.ListEnvironmentsResponse:
        """SELECT the newest environments."""
        rows = await self._pool.fetch(
            "SELECT * FROM environments ORDER BY created_at DESC, id DESC LIMIT %s", request.page_size
        )
        return environment_pb2.ListEnvironmentsResponse(
            environments=[environment_to_proto(row, DOMAIN) for row in rows]
        )

    async def resolve_secrets(
        self, request: secret_pb2.ResolveSecretsRequest, _: object
    ) -> secret_pb2.ResolveSecretsResponse:
        """SELECT the secrets of a project, and decrypt each."""
        rows = await self._pool.fetch(
            "SELECT * FROM secrets WHERE project_id = %s ORDER BY key", uuid.UUID(request.project_id)
        )
        return secret_pb2.ResolveSecretsResponse(secrets=[resolved_to_proto(row, self._value_of(row)) for row in rows])

    def _value_of(self, row: Any) -> bytes:  # noqa: ANN401 - a row
        sealed = base64.b64decode(row.encrypted_value)
        return self._key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], row.id.bytes)

    def writing(self, write: Write) -> Callable[[Any, object], Awaitable[Message]]:
        """Return the method of a write."""

        async def method(request: Message, _: object) -> Message:
            return write.answer(await self._pool.write(write.statement, write.values(request)))

        return method

    def handler(self) -> grpc.GenericRpcHandler:
        """Return the method handlers."""
        reads = {
            "Echo": _unary(self.echo, BytesValue),
            "GetTeam": _unary(self.get_team, team_pb2.GetTeamRequest),
            "GetEnvironment": _unary(self.get_environment, environment_pb2.GetEnvironmentRequest),
            "ListEnvironments": _unary(self.list_environments, environment_pb2.ListEnvironmentsRequest),
            "ResolveSecrets": _unary(self.resolve_secrets, secret_pb2.ResolveSecretsRequest),
        }
        writes = {name: _unary(self.writing(write), write.request) for name, write in WRITES.items()}
        return grpc.method_handlers_generic_handler(FLOORS, reads | writes)


def _unary(behavior: Callable[[Any, object], Any], request: type[Message]) -> grpc.RpcMethodHandler[Any, Any]:
    return grpc.unary_unary_rpc_method_handler(behavior, request.FromString, _serialized)


def _serialized(response: Message) -> bytes:
    return response.SerializeToString()


async def serve(conninfo: str, port: int) -> None:
    """Serve until the process is ended."""
    pool = Pool()
    await pool.open(conninfo)
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=_MAX_CONCURRENT_RPCS)
    server.add_generic_rpc_handlers((Floors(pool).handler(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve(os.environ["DATABASE_URL"], int(os.environ["PORT"])))
