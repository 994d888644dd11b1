"""A server with authentication on, and users in every position towards a team."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from tests.support.access.policies import ROLES
from tests.support.call_metadata import headers_of
from tests.support.methods import METHOD
from tests.support.seeds import seed
from tests.support.tokens import token
from tests.support.world import World, call_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import grpc
    from google.protobuf.message import Message

    from stagely_rpc.server.server import Server
    from tests.support.call_metadata import Headers
    from tests.support.methods import Method

    BinaryHeaders = tuple[tuple[str, str | bytes], ...]

_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name NOT LIKE 'audit%'
"""
_DIGEST = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {} AS t"
_ADD_MEMBER = """
    INSERT INTO team_members (team_id, user_id, role) VALUES (%s, %s, %s)
    ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role
"""

EVERYTHING = token("reaper", "*")
"""The token of a service with every permission, which includes acting for users."""

MEMBERS: dict[str, str] = {**{role: role for role in ROLES}, "deactivated": "owner"}
"""The members that `add_members` adds to a team, each with their role."""


@dataclass(frozen=True)
class AuthServer:
    """A running server with authentication on, clients of it, and users.

    Attributes:
        server: the running server.
        database_url: the URL of the database, which no other server uses.
        operator: a client with every permission that acts for no user.
        channel: a client without credentials.
        user_ids: the ids of users by their positions.
    """

    server: Server
    database_url: str
    operator: grpc.aio.Channel
    channel: grpc.aio.Channel
    user_ids: Mapping[str, str]
    _teams_with_members: set[str] = field(default_factory=set)

    async def add_members(self, team_id: str, members: Mapping[str, str] = MEMBERS) -> None:
        """Make users members of a team, which may be deleted. A second call for a team does nothing."""
        if team_id in self._teams_with_members:
            return
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            rows = [(team_id, self.user_ids[name], role) for name, role in members.items()]
            await connection.cursor().executemany(_ADD_MEMBER, rows)
        self._teams_with_members.add(team_id)

    async def call_raw(self, method: Method, raw: bytes, headers: Headers) -> list[Any]:
        """Call an RPC with the bytes of a request. Return its responses."""
        if not method.is_streaming:
            return [method.response.FromString(await send(self.channel, method.path, raw, headers))]
        stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream(method.path)
        return [method.response.FromString(response) async for response in stream(raw, metadata=headers)]

    async def call(self, name: str, request: Message, user_id: str | None = None) -> Any:
        """Call an RPC as a service with every permission, for a user if given. Return its last response."""
        headers = headers_of(EVERYTHING, user_id)
        return (await self.call_raw(METHOD[name], request.SerializeToString(), headers))[-1]

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Check that the body changes nothing in the database except the audit log."""
        before = await self._contents()
        yield
        assert await self._contents() == before

    async def _contents(self) -> dict[str, str]:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            tables = [name for (name,) in await (await connection.execute(_TABLES)).fetchall()]
            assert {"teams", "users", "team_members", "secrets", "idempotency_keys"} <= set(tables)
            return {name: await _digest(connection, name) for name in tables}


async def send(channel: grpc.aio.Channel, path: str, raw: bytes = b"", headers: BinaryHeaders = ()) -> bytes:
    """Call a unary method by its path with raw bytes. Return the raw response."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
    return await call(raw, metadata=headers)


async def _digest(connection: psycopg.AsyncConnection, table: str) -> str:
    found = await connection.execute(sql.SQL(_DIGEST).format(sql.Identifier(table)))
    return str(await found.fetchone())


async def make_users(operator: grpc.aio.Channel) -> dict[str, str]:
    """Create the users. Return their ids by position, with the ids `unknown` and `malformed` that no user has."""
    names = (*MEMBERS, "another team's owner", "member of no team")
    users = {name: (await call_rpc(operator, "UserService.UpsertUser", new_login())).user for name in names}
    deactivation = seed("UserService.DeactivateUser", World(user=users["deactivated"]))
    await call_rpc(operator, "UserService.DeactivateUser", deactivation)
    no_users = {"unknown": str(uuid.uuid4()), "malformed": "ada@example.com"}
    return {name: user.id for name, user in users.items()} | no_users


def new_login() -> Message:
    return seed("UserService.UpsertUser", World())
