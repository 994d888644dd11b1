"""Converts rows of secrets to messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import secret_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import enum_numbers, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import OwnedSecretRow, SecretRow, SecretSummary
    from stagely_rpc.secrets.queries import Candidate

TYPE_TO_PROTO = enum_numbers(secret_pb2.SecretType)


def secret_to_proto(secret: SecretRow | OwnedSecretRow | SecretSummary) -> secret_pb2.Secret:
    """Return the message for a secret, without its value."""
    return secret_pb2.Secret(
        id=str(secret.id),
        project_id=str(secret.project_id),
        key=secret.key,
        scope=secret.scope,
        secret_type=TYPE_TO_PROTO[secret.secret_type],
        file_path=secret.file_path,
        file_permissions=secret.file_permissions,
        created_by=None if secret.created_by is None else str(secret.created_by),
        created_at=to_timestamp(secret.created_at),
        updated_at=to_timestamp(secret.updated_at),
        etag=etag_of(secret),
    )


def resolved_to_proto(secret: Candidate, value: bytes) -> secret_pb2.ResolvedSecret:
    """Return the message for a secret with its value."""
    return secret_pb2.ResolvedSecret(
        key=secret.key,
        value=value,
        secret_type=TYPE_TO_PROTO[secret.secret_type],
        file_path=secret.file_path,
        file_permissions=secret.file_permissions,
        scope=secret.scope,
    )
