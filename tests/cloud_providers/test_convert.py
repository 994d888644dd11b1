from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Literal

import pytest

from stagely.v1 import cloud_provider_pb2
from stagely_rpc.cloud_providers.convert import cloud_provider_to_proto
from stagely_rpc.db.etag import etag_of
from stagely_rpc.db.models.rows import CloudProviderRow
from stagely_rpc.wire.values import to_struct, to_timestamp
from tests.support.rows import row_of

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def provider_row(**overrides: object) -> CloudProviderRow:
    given = {
        "id": uuid.uuid4(),
        "team_id": uuid.uuid4(),
        "name": "Hetzner",
        "provider_type": "hetzner",
        "encrypted_credentials": "ciphertext",
        "config": {},
        "is_active": True,
        "created_at": CREATED,
        "updated_at": CREATED,
        "row_version": 1,
    }
    return row_of(CloudProviderRow, **given | overrides)


def test_every_column_except_the_credentials_is_in_the_message() -> None:
    provider = provider_row(
        region="fsn1", config={"a": 1}, is_active=False, last_validated_at=CREATED, validation_error="expired"
    )

    message = cloud_provider_to_proto(provider)

    assert message == cloud_provider_pb2.CloudProvider(
        id=str(provider.id),
        team_id=str(provider.team_id),
        name="Hetzner",
        provider_type=cloud_provider_pb2.CLOUD_PROVIDER_TYPE_HETZNER,
        region="fsn1",
        config=to_struct({"a": 1}),
        is_active=False,
        last_validated_at=to_timestamp(CREATED),
        validation_error="expired",
        created_at=to_timestamp(CREATED),
        updated_at=to_timestamp(CREATED),
        etag=etag_of(provider),
    )
    assert b"ciphertext" not in message.SerializeToString()


@pytest.mark.parametrize("field", ["region", "last_validated_at", "validation_error"])
def test_null_column_is_an_unset_field(field: Literal["region", "last_validated_at", "validation_error"]) -> None:
    assert not cloud_provider_to_proto(provider_row()).HasField(field)


@pytest.mark.parametrize(
    ("stored", "number"),
    [
        ("aws", cloud_provider_pb2.CLOUD_PROVIDER_TYPE_AWS),
        ("gcp", cloud_provider_pb2.CLOUD_PROVIDER_TYPE_GCP),
        ("digitalocean", cloud_provider_pb2.CLOUD_PROVIDER_TYPE_DIGITALOCEAN),
        ("hetzner", cloud_provider_pb2.CLOUD_PROVIDER_TYPE_HETZNER),
        ("linode", cloud_provider_pb2.CLOUD_PROVIDER_TYPE_LINODE),
    ],
)
def test_each_type_maps_to_its_enum_value(stored: str, number: cloud_provider_pb2.CloudProviderType.ValueType) -> None:
    assert cloud_provider_to_proto(provider_row(provider_type=stored)).provider_type == number
