"""Calls every RPC of a process with authentication: with all kinds of callers, bad requests and broken data."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import psycopg

from stagely_rpc.wire.redaction import is_sensitive
from tests.support.call_metadata import headers_of, metadata_interceptors
from tests.support.fuzz_server import FuzzServer
from tests.support.methods import METHOD, METHODS
from tests.support.mutations import mutated, mutations_of
from tests.support.secret_markers import marked_password, marked_secret
from tests.support.seeds import SEEDS, seed
from tests.support.tokens import token, unsigned_token
from tests.support.world import Renewable, World, call_rpc, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import LiteralString

    from google.protobuf.message import Message

    from tests.support.methods import Method

READS_OF_SECRETS = (
    "SecretService.AccessSecret",
    "SecretService.ResolveSecrets",
    "CloudProviderService.AccessCloudProviderCredentials",
)
WRITES_OF_SECRETS = ("SecretService.SetSecret", "CloudProviderService.CreateCloudProvider")

_TRUNCATE: tuple[LiteralString, ...] = (
    "UPDATE secrets SET encrypted_value = left(encrypted_value, -8)",
    "UPDATE cloud_providers SET encrypted_credentials = left(encrypted_credentials, -8)",
)
# PostgreSQL's error quotes the whole row that violates a constraint.
_FORBID: tuple[LiteralString, ...] = (
    "ALTER TABLE secrets ADD CONSTRAINT none CHECK (false) NOT VALID",
    "ALTER TABLE cloud_providers ADD CONSTRAINT none CHECK (false) NOT VALID",
)


def _wrong_tokens() -> Iterator[str]:
    yield token("reaper", "*", secret=marked_secret("not the service's"))
    yield token("reaper", "*", exp=0)
    yield token("reaper", "*", aud=marked_secret("audience"))
    yield token(marked_secret("subject"), "*")
    yield token("reaper", "*")[:-1]
    yield unsigned_token("reaper", "*")
    yield marked_password()


@dataclass
class Walk:
    """A walk through all RPCs of the contract, with the errors of its calls."""

    address: str
    database_url: str
    refusals: list[grpc.aio.AioRpcError] = field(default_factory=list)

    async def run(self) -> None:
        """Call each RPC with valid requests, bad requests, bad credentials, corrupted rows and a failing database."""
        async with self._channel(token("operator", "*")) as operator:
            world = await make_world(operator)
            for method in METHODS:
                await self._send_seeds(operator, world, method)
                await self._send_mutations(operator, world, method)
            await self._send_bad_credentials(world)
            world = await make_world(operator)
            await self._read_corrupted_rows(operator, world)
            await self._violate_constraints(operator, world)

    async def _send_seeds(self, operator: grpc.aio.Channel, world: World, method: Method) -> None:
        for variant in range(len(SEEDS[method.name])):
            current = await Renewable(operator, method.name, world).ready()
            await call_rpc(operator, method.name, seed(method.name, current, variant))

    async def _send_mutations(self, operator: grpc.aio.Channel, world: World, method: Method) -> None:
        sensitive = {field.name for field in method.input.fields if is_sensitive(field)}
        for mutation in mutations_of(seed(method.name, world)) if sensitive else ():
            if mutation.field in {"", *sensitive}:
                await self._send(operator, method, mutated(seed(method.name, world), mutation))

    async def _send_bad_credentials(self, world: World) -> None:
        tokens = (None, token("nobody"), *_wrong_tokens())
        for each in tokens:
            async with self._channel(each) as channel:
                for method in METHODS:
                    await self._send(channel, method, seed(method.name, world).SerializeToString())

    async def _read_corrupted_rows(self, operator: grpc.aio.Channel, world: World) -> None:
        await self._execute(*_TRUNCATE)
        for name in READS_OF_SECRETS:
            await self._send(operator, METHOD[name], seed_of_all(name, world))

    async def _violate_constraints(self, operator: grpc.aio.Channel, world: World) -> None:
        await self._execute(*_FORBID)
        for name in WRITES_OF_SECRETS:
            await self._send(operator, METHOD[name], seed(name, world).SerializeToString())

    async def _send(self, channel: grpc.aio.Channel, method: Method, raw: bytes) -> None:
        refusal = await FuzzServer(self.database_url, 0, channel).send(method, raw)
        if refusal is not None:
            self.refusals.append(refusal)

    async def _execute(self, *statements: LiteralString) -> None:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            for statement in statements:
                await connection.execute(statement)

    @asynccontextmanager
    async def _channel(self, bearer: str | None) -> AsyncIterator[grpc.aio.Channel]:
        interceptors = metadata_interceptors(headers_of(bearer))
        async with grpc.aio.insecure_channel(self.address, interceptors=interceptors) as channel:
            yield channel


def seed_of_all(name: str, world: World) -> bytes:
    """Return a valid request. If it has a scope, clear it, so that the secrets of all scopes are returned."""
    request: Message = seed(name, world)
    if "scope" in request.DESCRIPTOR.fields_by_name:
        request.ClearField("scope")
    return request.SerializeToString()
