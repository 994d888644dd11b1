from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import grpc
import psycopg
import pytest

from tests.support.refusals import refusal_of, refused
from tests.support.rpc import connected, running_server
from tests.support.users import login, make_user, new_account_id, new_address, upsert

if TYPE_CHECKING:
    from stagely.v1 import user_pb2
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub
    from stagely_rpc.server.server import Server

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
VISIBLE_ASCII = "".join(map(chr, range(33, 127)))


class TestRaces:
    """Parallel logins through two servers on one database."""

    async def upsert_at_once(
        self, server: Server, database_url: str, requests: list[user_pb2.UpsertUserRequest]
    ) -> list[user_pb2.UpsertUserResponse | BaseException]:
        from stagely.v1 import user_pb2_grpc

        async with (
            running_server(database_url) as other,
            connected(server) as channel,
            connected(other) as other_channel,
        ):
            stubs = [user_pb2_grpc.UserServiceStub(channel), user_pb2_grpc.UserServiceStub(other_channel)]
            calls = [stubs[number % 2].UpsertUser(request) for number, request in enumerate(requests)]
            return await asyncio.gather(*calls, return_exceptions=True)

    @pytest.mark.parametrize("key", ["github_id", "google_id", "email"])
    async def test_parallel_first_logins_create_one_user(self, server: Server, database_url: str, key: str) -> None:
        shared = login(github_id=new_account_id(), google_id=new_account_id())
        request = login(**{key: getattr(shared, key)})
        if key != "email":
            request.email = shared.email

        answers = await self.upsert_at_once(server, database_url, [request] * 50)

        assert not [answer for answer in answers if isinstance(answer, BaseException)]
        assert len({answer.user.id for answer in answers}) == 1  # type: ignore[union-attr]
        assert [answer.created for answer in answers].count(True) == 1  # type: ignore[union-attr]

    async def test_one_of_many_new_accounts_gets_the_email(self, server: Server, database_url: str) -> None:
        email = new_address()
        requests = [login(email=email, github_id=new_account_id()) for _ in range(20)]

        answers = await self.upsert_at_once(server, database_url, requests)

        refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert len(refusals) == 19
        assert {(refusal.code, refusal.reason) for refusal in refusals} == {(ALREADY_EXISTS, "USER_GITHUB_ID_CONFLICT")}

    async def test_one_of_many_existing_accounts_gets_the_email(
        self, server: Server, database_url: str, users: UserServiceAsyncStub
    ) -> None:
        accounts = [await make_user(users, github_id=new_account_id()) for _ in range(20)]
        email = new_address()
        requests = [login(email=email, github_id=account.github_id) for account in accounts]

        answers = await self.upsert_at_once(server, database_url, requests)

        refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert len(refusals) == 19
        assert {(refusal.code, refusal.reason) for refusal in refusals} == {(ALREADY_EXISTS, "USER_EMAIL_TAKEN")}

    async def test_logins_that_match_the_same_users_do_not_deadlock(
        self, server: Server, database_url: str, users: UserServiceAsyncStub
    ) -> None:
        first, second = [await make_user(users, github_id=new_account_id()) for _ in range(2)]
        requests = [
            login(email=email, github_id=github_id)
            for email, github_id in [(first.email, second.github_id), (second.email, first.github_id)] * 20
        ]

        answers = await self.upsert_at_once(server, database_url, requests)

        refusals = [refusal_of(answer) for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
        assert {(refusal.code, refusal.reason) for refusal in refusals} == {(ALREADY_EXISTS, "USER_EMAIL_TAKEN")}
        assert len(refusals) == 40

    async def test_candidates_are_locked_in_the_order_of_their_ids(
        self, database_url: str, users: UserServiceAsyncStub
    ) -> None:
        low, high = sorted([uuid.uuid4(), uuid.uuid4()])
        emails = {low: new_address(), high: new_address()}
        github_id = new_account_id()
        async with (
            await psycopg.AsyncConnection.connect(database_url, autocommit=True) as observer,
            await psycopg.AsyncConnection.connect(database_url) as holder,
        ):
            for user_id in (high, low):  # inserted in the opposite order
                await observer.execute(
                    "INSERT INTO users (id, email, name, github_id) VALUES (%s, %s, 'Ada', %s)",
                    [user_id, emails[user_id], github_id if user_id == low else None],
                )
            await holder.execute("SELECT FROM users WHERE id = %s FOR UPDATE", [low])
            call = asyncio.create_task(upsert(users, email=emails[high], github_id=github_id))
            await asyncio.sleep(0.3)

            await observer.execute("SELECT FROM users WHERE id = %s FOR UPDATE NOWAIT", [high])
            await holder.rollback()

        with refused(ALREADY_EXISTS, reason="USER_EMAIL_TAKEN"):
            await call

    async def test_login_waits_for_a_running_deactivation(self, database_url: str, users: UserServiceAsyncStub) -> None:
        user = await make_user(users)
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            await other.execute("UPDATE users SET is_active = false WHERE id = %s", [user.id])
            call = asyncio.create_task(upsert(users, email=user.email))
            await asyncio.sleep(0.2)
            assert not call.done()
            await other.commit()

        with refused(grpc.StatusCode.FAILED_PRECONDITION, reason="USER_DEACTIVATED"):
            await call
