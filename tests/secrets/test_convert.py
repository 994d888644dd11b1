from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from stagely.v1 import secret_pb2
from stagely_rpc.db.models.rows import SecretRow
from stagely_rpc.secrets.convert import TYPE_TO_PROTO, resolved_to_proto, secret_to_proto
from stagely_rpc.secrets.queries import Candidate
from tests.support.rows import row_of

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def secret_row(**overrides: object) -> SecretRow:
    given = {
        "id": uuid.uuid4(),
        "project_id": uuid.uuid4(),
        "key": "A",
        "encrypted_value": "v1.sealed",
        "scope": "global",
        "secret_type": "env",
        "created_at": CREATED,
        "updated_at": CREATED + timedelta(microseconds=1),
        "row_version": 1,
    } | overrides
    return row_of(SecretRow, **given)


def candidate_of(secret: SecretRow) -> Candidate:
    return row_of(Candidate, **{name: getattr(secret, name) for name in Candidate._fields})


@pytest.mark.parametrize(
    ("stored", "number"), [("env", secret_pb2.SECRET_TYPE_ENV), ("file", secret_pb2.SECRET_TYPE_FILE)]
)
def test_each_type_maps_to_its_enum_value(stored: str, number: secret_pb2.SecretType.ValueType) -> None:
    assert secret_to_proto(secret_row(secret_type=stored)).secret_type == number
    assert resolved_to_proto(candidate_of(secret_row(secret_type=stored)), b"").secret_type == number


def test_every_type_of_the_contract_is_mapped() -> None:
    assert set(TYPE_TO_PROTO.values()) == set(secret_pb2.SecretType.values()) - {0}


@pytest.mark.parametrize("field", ["file_path", "file_permissions", "created_by"])
def test_null_column_is_an_unset_field(field: str) -> None:
    assert not secret_to_proto(secret_row()).HasField(field)  # type: ignore[arg-type]


def test_every_field_is_set() -> None:
    creator = uuid.uuid4()
    secret = secret_row(secret_type="file", file_path="/a", file_permissions="0600", created_by=creator)

    message = secret_to_proto(secret)

    assert {field.name for field, _ in message.ListFields()} == set(secret_pb2.Secret.DESCRIPTOR.fields_by_name)
    assert message.created_by == str(creator)
    assert message.created_at.ToDatetime(UTC) == CREATED
    assert message.updated_at.ToDatetime(UTC) == CREATED + timedelta(microseconds=1)


def test_message_does_not_contain_the_stored_value() -> None:
    assert "sealed" not in str(secret_to_proto(secret_row())) + str(
        resolved_to_proto(candidate_of(secret_row()), b"opened")
    )


def test_resolved_secret_has_every_field() -> None:
    secret = secret_row(secret_type="file", file_path="/a", file_permissions="0600", scope="web")

    message = resolved_to_proto(candidate_of(secret), b"opened")

    assert {field.name for field, _ in message.ListFields()} == set(message.DESCRIPTOR.fields_by_name)
    assert (message.value, message.scope) == (b"opened", "web")
