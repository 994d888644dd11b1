"""A stream is authorized again while it is open: at intervals, and when its caller's token or certificate expires."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import psycopg
import pytest

from stagely.v1 import team_pb2, team_pb2_grpc, user_pb2, user_pb2_grpc
from stagely_rpc.errors import PermissionDeniedError, UnavailableError
from stagely_rpc.interceptors.admission import Admission
from stagely_rpc.interceptors.auth import AuthInterceptor
from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from tests.support.chained import chained
from tests.support.eventually import eventually
from tests.support.forms import FORMS, Form, Notes, start_call, texts_of
from tests.support.identity.certificates import (
    channel_credentials,
    make_authority,
    make_certificate,
    make_server_certificate,
    replace,
    uri,
)
from tests.support.identity.tokens import key_set, private_key, public_jwk, signed_token
from tests.support.note_server import Board, note_server
from tests.support.notes import message_class, stub
from tests.support.refusals import refused
from tests.support.rpc import connected
from tests.support.tokens import AUTHENTICATION, token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from stagely_rpc.call import Call, Policy
    from stagely_rpc.db.audit_entries import Entry
    from stagely_rpc.wire.context import Context
    from tests.support.identity.certificates import Files
    from tests.support.note_server import NoteServer

INTERVAL_SECONDS = 0.1
NEVER_SECONDS = 3600.0
SPIFFE_ID = "spiffe://stagely.dev/agent-hub"
AUTHORITY = make_authority()
LEEWAY_SECONDS = 30
DENIALS = """
    SELECT metadata->>'rpc', metadata->>'reason', actor_id::text FROM audit_logs WHERE action = 'access.deny'
"""


@dataclass
class StreamServer:
    """A server with a team of two members. Streams are opened for the first one."""

    note_server: NoteServer
    board: Board
    database_url: str
    team_id: str
    user_id: str
    other_id: str

    @asynccontextmanager
    async def open_stream(self, name: str = "WatchNotes", **caller: Any) -> AsyncIterator[Any]:
        """Open a stream that has received one response and is idle."""
        topic = self.other_id if name == "ListenNotes" else self.team_id
        given = {"token": token("hub", "notes.use", "users.impersonate"), "user_id": self.user_id} | caller
        async with connected(self.note_server, **given) as channel:
            call = getattr(stub(channel), name)(message_class(f"{name}Request")(topic=topic))
            assert (await call.read()).text == "first"
            yield call

    async def execute(self, statement: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            await connection.execute(statement.encode(), {"user": self.user_id, "other": self.other_id})

    async def denials(self) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            return await (await connection.execute(DENIALS)).fetchall()


@asynccontextmanager
async def stream_server(url: str, seconds: float = INTERVAL_SECONDS, **settings: object) -> AsyncIterator[StreamServer]:
    board = Board()
    board.add("first")
    async with (
        note_server(url, board, reauthorize_seconds=seconds, **(AUTHENTICATION | settings)) as server,
        connected(server, token=token("ops", "*")) as channel,
    ):
        teams, user_stub = team_pb2_grpc.TeamServiceStub(channel), user_pb2_grpc.UserServiceStub(channel)
        team = (await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))).team
        users = [await make_user(user_stub, name) for name in ("ada", "bob")]
        for user in users:
            role = team_pb2.TEAM_ROLE_MEMBER
            await teams.AddTeamMember(team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=user.id, role=role))
        yield StreamServer(server, board, url, team.id, users[0].id, users[1].id)


async def make_user(user_stub: Any, name: str) -> user_pb2.User:
    login = user_pb2.UpsertUserRequest(email=f"{name}@example.com", name=name, github_id=name, email_verified=True)
    user: user_pb2.User = (await user_stub.UpsertUser(login)).user
    return user


async def expect_end(call: Any, code: grpc.StatusCode, reason: str) -> None:
    """Check that an idle stream ends within 10 s."""
    with refused(code, reason=reason):
        await asyncio.wait_for(call.read(), 10)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("DELETE FROM team_members WHERE user_id = %(user)s", "NOT_A_MEMBER"),
        ("UPDATE team_members SET role = 'viewer' WHERE user_id = %(user)s", "ROLE_MISSING"),
        ("UPDATE users SET is_active = false WHERE id = %(user)s", "ACTING_USER_DEACTIVATED"),
    ],
)
async def test_stream_ends_when_its_user_loses_access_and_the_denial_is_recorded(
    fresh_database_url: str, change: str, reason: str
) -> None:
    async with stream_server(fresh_database_url) as server, server.open_stream() as call:
        await server.execute(change)

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, reason)

        denial = ("stagely.test.NoteService/WatchNotes", reason, server.user_id)
        await eventually(server.denials, [denial])


async def test_stream_about_a_teammate_ends_when_they_leave_the_team(fresh_database_url: str) -> None:
    async with stream_server(fresh_database_url) as server, server.open_stream("ListenNotes") as call:
        await server.execute("DELETE FROM team_members WHERE user_id = %(other)s")

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, "ANOTHER_USER")


async def test_stream_ends_when_its_token_expires(fresh_database_url: str) -> None:
    async with stream_server(fresh_database_url, seconds=NEVER_SECONDS) as server:
        expiring = token("hub", "notes.use", exp=time.time() - LEEWAY_SECONDS + 1.5)
        async with server.open_stream(token=expiring, user_id=None) as call:
            await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")

        await eventually(server.denials, [("stagely.test.NoteService/WatchNotes", "TOKEN_EXPIRED", None)])


async def test_stream_continues_while_its_caller_has_access(fresh_database_url: str) -> None:
    async with stream_server(fresh_database_url) as server, server.open_stream() as call:
        for number in range(5):
            await asyncio.sleep(2 * INTERVAL_SECONDS)
            server.board.add(f"note {number}")
            assert (await call.read()).text == f"note {number}"

        assert await server.denials() == []


async def test_stream_ends_when_the_key_of_its_token_is_removed(fresh_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(public_jwk(private_key("ES256"), kid="1")))
    async with stream_server(fresh_database_url, jwt_issuer=None, jwt_audience=None, jwt_jwks=str(path)) as server:
        signed = signed_token("ES256", scope="notes.use")
        async with server.open_stream(token=signed, user_id=None) as call:
            path.write_bytes(key_set(public_jwk(private_key("ES256", 2), kid="2")))

            # The file is read every 5 s.
            await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_KEY_UNKNOWN")


@asynccontextmanager
async def certificate_stream(
    url: str, files: Files, permissions: Path, lifetime: dt.timedelta, seconds: float
) -> AsyncIterator[Any]:
    """Open an idle stream of a caller that authenticates with a client certificate."""
    files.write(make_server_certificate(AUTHORITY))
    files.client_ca.write_bytes(AUTHORITY.pem)
    replace(permissions, f'[identities]\n"{SPIFFE_ID}" = ["notes.use"]\n'.encode())
    given = {"tls_cert_file": files.cert, "tls_key_file": files.key, "tls_client_ca_file": files.client_ca}
    client = make_certificate(AUTHORITY, uri(SPIFFE_ID), lifetime=(-dt.timedelta(hours=1), lifetime))
    board = Board()
    board.add("first")
    async with note_server(url, board, reauthorize_seconds=seconds, permissions_file=permissions, **given) as server:
        credentials = channel_credentials(AUTHORITY, client)
        async with grpc.aio.secure_channel(f"localhost:{server.port}", credentials) as channel:
            call = stub(channel).WatchNotes(message_class("WatchNotesRequest")())
            assert (await call.read()).text == "first"
            yield call


async def test_stream_ends_when_the_certificate_of_its_caller_expires(
    database_url: str, files: Files, tmp_path: Path
) -> None:
    lifetime = dt.timedelta(seconds=3)
    async with certificate_stream(database_url, files, tmp_path / "permissions.toml", lifetime, NEVER_SECONDS) as call:
        await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_EXPIRED")


async def test_stream_ends_when_its_caller_loses_the_permission(
    database_url: str, files: Files, tmp_path: Path
) -> None:
    permissions = tmp_path / "permissions.toml"
    async with certificate_stream(database_url, files, permissions, dt.timedelta(days=1), INTERVAL_SECONDS) as call:
        replace(permissions, b'[identities]\n"spiffe://stagely.dev/other" = ["notes.use"]\n')

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


class ScriptedAdmission(Admission):
    """Admits every call, and raises the given errors when open streams are authorized again.

    Attributes:
        errors: raised in order, one at each authorization of an open stream. After the last, streams are admitted.
        count: how often open streams were authorized again.
    """

    def __init__(self, *errors: Exception, repeat_first: bool = False) -> None:
        self.errors = list(errors)
        self.repeat_first = repeat_first
        self.count = 0

    async def admit(self, call: Call, policy: Policy | None, context: Context) -> None:
        call.policy = policy

    async def admit_again(self, call: Call, context: Context) -> None:
        self.count += 1
        if self.errors:
            raise self.errors[0] if self.repeat_first else self.errors.pop(0)

    def seconds_valid(self, call: Call, context: Context) -> float:
        return NEVER_SECONDS


class NullAuditLog:
    def note(self, entry: Entry) -> None:
        pass


@asynccontextmanager
async def guarded_channel(notes: Notes, admission: ScriptedAdmission) -> AsyncIterator[grpc.aio.Channel]:
    auth = AuthInterceptor(admission, {}, (), NullAuditLog(), reauthorize_seconds=INTERVAL_SECONDS)
    async with chained(notes.handler(), ContextInterceptor(), ErrorInterceptor(), auth) as channel:
        yield channel


def sleeping(seconds: float) -> Callable[[], Awaitable[None]]:
    async def sleep() -> None:
        await asyncio.sleep(seconds)

    return sleep


STREAMS = pytest.mark.parametrize("form", [form for form in FORMS if form.is_stream], ids=str)


@STREAMS
async def test_every_kind_of_stream_is_authorized_again_while_it_is_idle(form: Form) -> None:
    denied = PermissionDeniedError("no longer", reason="PERMISSION_MISSING")
    notes = Notes(form, last=sleeping(NEVER_SECONDS))
    async with guarded_channel(notes, ScriptedAdmission(denied)) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_MISSING"):
            await asyncio.wait_for(texts_of(start_call(channel, form)), 10)


@STREAMS
async def test_failed_authorization_is_retried(form: Form) -> None:
    admission = ScriptedAdmission(*[UnavailableError("away")] * 3)
    async with guarded_channel(Notes(form, last=sleeping(12 * INTERVAL_SECONDS)), admission) as channel:
        await texts_of(start_call(channel, form))

    assert admission.count > 3


@STREAMS
async def test_stream_ends_after_repeated_failed_authorizations(form: Form) -> None:
    admission = ScriptedAdmission(UnavailableError("away"), repeat_first=True)
    async with guarded_channel(Notes(form, last=sleeping(NEVER_SECONDS)), admission) as channel:
        with refused(grpc.StatusCode.UNAVAILABLE, reason="DATABASE_UNAVAILABLE"):
            await asyncio.wait_for(texts_of(start_call(channel, form)), 10)

    assert admission.count == 11


async def test_unary_call_is_authorized_once() -> None:
    admission = ScriptedAdmission()
    async with guarded_channel(Notes(FORMS[0], last=sleeping(4 * INTERVAL_SECONDS)), admission) as channel:
        await texts_of(start_call(channel, FORMS[0]))

    assert admission.count == 0
