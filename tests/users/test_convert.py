from __future__ import annotations

import uuid
from datetime import UTC, datetime

from stagely.v1 import user_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.db.models.rows import UserRow
from stagely_rpc.users.convert import user_to_proto
from stagely_rpc.wire.values import to_timestamp
from tests.support.rows import row_of

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def user_row(**overrides: object) -> UserRow:
    given = {
        "id": uuid.uuid4(),
        "email": "ada@example.com",
        "name": "Ada",
        "is_active": True,
        "email_verified": False,
        "created_at": CREATED,
        "updated_at": CREATED,
        "row_version": 1,
    }
    return row_of(UserRow, **given | overrides)


def test_every_column_is_in_the_message() -> None:
    user = user_row(
        avatar_url="https://example.com/a.png",
        github_id="1",
        google_id="2",
        is_active=False,
        email_verified=True,
        last_login_at=CREATED,
    )

    assert user_to_proto(user) == user_pb2.User(
        id=str(user.id),
        email="ada@example.com",
        name="Ada",
        avatar_url="https://example.com/a.png",
        github_id="1",
        google_id="2",
        is_active=False,
        email_verified=True,
        created_at=to_timestamp(CREATED),
        updated_at=to_timestamp(CREATED),
        last_login_at=to_timestamp(CREATED),
        etag=etag_of(user),
    )


def test_null_column_is_an_unset_field() -> None:
    message = user_to_proto(user_row())

    for field in ("avatar_url", "github_id", "google_id", "last_login_at"):
        assert not message.HasField(field)
