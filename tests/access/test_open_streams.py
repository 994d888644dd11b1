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
from tests.support.forms import FORMS, Form, Notes, started, texts_of
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
class Stage:
    """A server with a team of one member, for whom a stream is open."""

    server: NoteServer
    board: Board
    database_url: str
    team_id: str
    user_id: str
    other_id: str

    @asynccontextmanager
    async def watching(self, name: str = "WatchNotes", **caller: Any) -> AsyncIterator[Any]:
        """Give a stream that has had a response, and is idle."""
        topic = self.other_id if name == "ListenNotes" else self.team_id
        given = {"token": token("hub", "notes.use", "users.impersonate"), "user_id": self.user_id} | caller
        async with connected(self.server, **given) as channel:
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
async def staged(url: str, seconds: float = INTERVAL_SECONDS, **settings: object) -> AsyncIterator[Stage]:
    board = Board()
    board.add("first")
    async with (
        note_server(url, board, reauthorize_seconds=seconds, **(AUTHENTICATION | settings)) as server,
        connected(server, token=token("ops", "*")) as channel,
    ):
        teams, users = team_pb2_grpc.TeamServiceStub(channel), user_pb2_grpc.UserServiceStub(channel)
        team = (await teams.CreateTeam(team_pb2.CreateTeamRequest(slug="web", name="Web"))).team
        people = [await make_person(users, name) for name in ("ada", "bob")]
        for person in people:
            role = team_pb2.TEAM_ROLE_MEMBER
            await teams.AddTeamMember(team_pb2.AddTeamMemberRequest(team_id=team.id, user_id=person.id, role=role))
        yield Stage(server, board, url, team.id, people[0].id, people[1].id)


async def make_person(users: Any, name: str) -> user_pb2.User:
    login = user_pb2.UpsertUserRequest(email=f"{name}@example.com", name=name, github_id=name, email_verified=True)
    person: user_pb2.User = (await users.UpsertUser(login)).user
    return person


async def expect_end(call: Any, code: grpc.StatusCode, reason: str) -> None:
    """Expect that an idle stream ends, soon."""
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
async def test_stream_of_a_user_who_may_no_longer_have_it_ends_and_that_is_recorded(
    fresh_database_url: str, change: str, reason: str
) -> None:
    async with staged(fresh_database_url) as stage, stage.watching() as call:
        await stage.execute(change)

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, reason)

        denial = ("stagely.test.NoteService/WatchNotes", reason, stage.user_id)
        await eventually(stage.denials, [denial])


async def test_stream_about_another_user_ends_when_they_are_no_longer_in_a_team(fresh_database_url: str) -> None:
    async with staged(fresh_database_url) as stage, stage.watching("ListenNotes") as call:
        await stage.execute("DELETE FROM team_members WHERE user_id = %(other)s")

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, "ANOTHER_USER")


async def test_stream_ends_when_its_token_expires(fresh_database_url: str) -> None:
    async with staged(fresh_database_url, seconds=NEVER_SECONDS) as stage:
        expiring = token("hub", "notes.use", exp=time.time() - LEEWAY_SECONDS + 1.5)
        async with stage.watching(token=expiring, user_id=None) as call:
            await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")

        await eventually(stage.denials, [("stagely.test.NoteService/WatchNotes", "TOKEN_EXPIRED", None)])


async def test_stream_goes_on_for_as_long_as_its_caller_may_have_it(fresh_database_url: str) -> None:
    async with staged(fresh_database_url) as stage, stage.watching() as call:
        for number in range(5):
            await asyncio.sleep(2 * INTERVAL_SECONDS)
            stage.board.add(f"note {number}")
            assert (await call.read()).text == f"note {number}"

        assert await stage.denials() == []


async def test_stream_ends_when_the_key_of_its_token_is_withdrawn(fresh_database_url: str, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(public_jwk(private_key("ES256"), kid="1")))
    async with staged(fresh_database_url, jwt_issuer=None, jwt_audience=None, jwt_jwks=str(path)) as stage:
        signed = signed_token("ES256", scope="notes.use")
        async with stage.watching(token=signed, user_id=None) as call:
            path.write_bytes(key_set(public_jwk(private_key("ES256", 2), kid="2")))

            # The file is read every 5 s.
            await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_KEY_UNKNOWN")


@asynccontextmanager
async def shown(
    url: str, files: Files, permissions: Path, lifetime: dt.timedelta, seconds: float
) -> AsyncIterator[Any]:
    """Give an idle stream of a caller that shows a certificate."""
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
    async with shown(database_url, files, tmp_path / "permissions.toml", lifetime, NEVER_SECONDS) as call:
        await expect_end(call, grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_EXPIRED")


async def test_stream_ends_when_the_permissions_of_its_caller_are_withdrawn(
    database_url: str, files: Files, tmp_path: Path
) -> None:
    permissions = tmp_path / "permissions.toml"
    async with shown(database_url, files, permissions, dt.timedelta(days=1), INTERVAL_SECONDS) as call:
        replace(permissions, b'[identities]\n"spiffe://stagely.dev/other" = ["notes.use"]\n')

        await expect_end(call, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


class Told(Admission):
    """Admits every call, and decides about open streams as a test says.

    Attributes:
        again: raised by the next decisions about open streams; after the last, they are admitted.
        decided: how often an open stream was decided about.
    """

    def __init__(self, *again: Exception, for_ever: bool = False) -> None:
        self.again = list(again)
        self.for_ever = for_ever
        self.decided = 0

    async def admit(self, call: Call, policy: Policy | None, context: Context) -> None:
        call.policy = policy

    async def admit_again(self, call: Call, context: Context) -> None:
        self.decided += 1
        if self.again:
            raise self.again[0] if self.for_ever else self.again.pop(0)

    def seconds_valid(self, call: Call, context: Context) -> float:
        return NEVER_SECONDS


class Nowhere:
    def note(self, entry: Entry) -> None:
        pass


@asynccontextmanager
async def behind(notes: Notes, admission: Told) -> AsyncIterator[grpc.aio.Channel]:
    auth = AuthInterceptor(admission, {}, (), Nowhere(), reauthorize_seconds=INTERVAL_SECONDS)
    async with chained(notes.handler(), ContextInterceptor(), ErrorInterceptor(), auth) as channel:
        yield channel


def lasting(seconds: float) -> Callable[[], Awaitable[None]]:
    async def last() -> None:
        await asyncio.sleep(seconds)

    return last


STREAMS = pytest.mark.parametrize("form", [form for form in FORMS if form.is_stream], ids=str)


@STREAMS
async def test_every_kind_of_stream_is_authorized_again_while_it_is_idle(form: Form) -> None:
    denied = PermissionDeniedError("no longer", reason="PERMISSION_MISSING")
    notes = Notes(form, last=lasting(NEVER_SECONDS))
    async with behind(notes, Told(denied)) as channel:
        with refused(grpc.StatusCode.PERMISSION_DENIED, reason="PERMISSION_MISSING"):
            await asyncio.wait_for(texts_of(started(channel, form)), 10)


@STREAMS
async def test_decision_that_can_not_be_made_is_tried_again(form: Form) -> None:
    admission = Told(*[UnavailableError("away")] * 3)
    async with behind(Notes(form, last=lasting(12 * INTERVAL_SECONDS)), admission) as channel:
        await texts_of(started(channel, form))

    assert admission.decided > 3


@STREAMS
async def test_stream_ends_when_nothing_could_be_decided_for_long(form: Form) -> None:
    admission = Told(UnavailableError("away"), for_ever=True)
    async with behind(Notes(form, last=lasting(NEVER_SECONDS)), admission) as channel:
        with refused(grpc.StatusCode.UNAVAILABLE, reason="DATABASE_UNAVAILABLE"):
            await asyncio.wait_for(texts_of(started(channel, form)), 10)

    assert admission.decided == 11


async def test_unary_call_is_authorized_once() -> None:
    admission = Told()
    async with behind(Notes(FORMS[0], last=lasting(4 * INTERVAL_SECONDS)), admission) as channel:
        await texts_of(started(channel, FORMS[0]))

    assert admission.decided == 0
