"""Converts rows of users to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import user_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import UserRow


def user_to_proto(user: UserRow) -> user_pb2.User:
    """Return the message for a user."""
    return user_pb2.User(
        id=str(user.id),
        email=user.email,
        name=user.name,
        avatar_url=user.avatar_url,
        github_id=user.github_id,
        google_id=user.google_id,
        is_active=user.is_active,
        email_verified=user.email_verified,
        created_at=to_timestamp(user.created_at),
        updated_at=to_timestamp(user.updated_at),
        last_login_at=to_timestamp(user.last_login_at),
        etag=etag_of(user),
    )
