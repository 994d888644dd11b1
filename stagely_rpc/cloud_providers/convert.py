"""Converts rows of cloud providers to messages. No message contains credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import cloud_provider_pb2
from stagely_rpc.db.etag import etag_of
from stagely_rpc.wire.values import enum_numbers, to_struct, to_timestamp

if TYPE_CHECKING:
    from stagely_rpc.db.models.rows import CloudProviderRow, CloudProviderSummary

TYPE_TO_PROTO = enum_numbers(cloud_provider_pb2.CloudProviderType)


def cloud_provider_to_proto(provider: CloudProviderRow | CloudProviderSummary) -> cloud_provider_pb2.CloudProvider:
    """Return the message for a cloud provider."""
    return cloud_provider_pb2.CloudProvider(
        id=str(provider.id),
        team_id=str(provider.team_id),
        name=provider.name,
        provider_type=TYPE_TO_PROTO[provider.provider_type],
        region=provider.region,
        config=to_struct(provider.config),
        is_active=provider.is_active,
        last_validated_at=to_timestamp(provider.last_validated_at),
        validation_error=provider.validation_error,
        created_at=to_timestamp(provider.created_at),
        updated_at=to_timestamp(provider.updated_at),
        etag=etag_of(provider),
    )
