from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from tests.support.refusals import refused
from tests.support.users import upsert

if TYPE_CHECKING:
    from stagely.v1.user_pb2_grpc import UserServiceAsyncStub

ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS
VISIBLE_ASCII = "".join(map(chr, range(33, 127)))


class TestLimits:
    @pytest.mark.parametrize(
        ("field", "longest_value"),
        [
            ("email", "a" * 243 + "@example.com"),
            ("name", "é" * 255),
            ("avatar_url", "https://" + "a" * 1992),
            ("github_id", (VISIBLE_ASCII * 2)[:100]),
            ("google_id", (VISIBLE_ASCII * 2)[6:106]),
        ],
    )
    async def test_longest_value_is_accepted_and_a_longer_one_refused(
        self, users: UserServiceAsyncStub, field: str, longest_value: str
    ) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
            await upsert(users, **{field: longest_value + "a" if field != "email" else "a" + longest_value})

        assert getattr((await upsert(users, **{field: longest_value})).user, field) == longest_value

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("email", ""),
            ("email", "ada"),
            ("email", "ada@example"),
            ("email", "ada@example.c|m"),
            ("email", "ada@example.com\n"),
            ("email", " ada@example.com"),
            ("email", "\u212aada@example.com"),  # the Kelvin sign, which becomes a k in lower case
            ("email", "ąda@example.com"),
            ("name", ""),
            ("name", "  "),
            ("name", "A\0"),
            ("name", "A\nB"),
            ("avatar_url", ""),
            ("avatar_url", "https://"),
            ("avatar_url", "javascript:alert(1)"),
            ("avatar_url", "data:image/png;base64,AAAA"),
            ("avatar_url", "https://example.com/a b"),
            ("avatar_url", "https://example.com/\n"),
            ("github_id", ""),
            ("github_id", "1 2"),
            ("github_id", "1\0"),
            ("github_id", "\uff11"),
            ("google_id", ""),
            ("google_id", "1\n"),
        ],
    )
    async def test_invalid_value_is_refused(self, users: UserServiceAsyncStub, field: str, value: str) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT, field=field):
            await upsert(users, **{field: value})

    async def test_every_invalid_field_is_named(self, users: UserServiceAsyncStub) -> None:
        with refused(grpc.StatusCode.INVALID_ARGUMENT) as refusal:
            await upsert(users, email="", name="", avatar_url="x", github_id="", google_id="")

        assert refusal.fields.keys() == {"email", "name", "avatar_url", "github_id", "google_id"}
