"""The servicers, and the services of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc_health.v1 import health, health_pb2_grpc

from stagely.v1 import (
    audit_pb2,
    audit_pb2_grpc,
    cloud_provider_pb2,
    cloud_provider_pb2_grpc,
    crypto_pb2,
    crypto_pb2_grpc,
    environment_pb2,
    environment_pb2_grpc,
    id_pb2,
    id_pb2_grpc,
    project_pb2,
    project_pb2_grpc,
    secret_pb2,
    secret_pb2_grpc,
    team_pb2,
    team_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from stagely_rpc.audit.servicer import AuditServicer
from stagely_rpc.cloud_providers.servicer import CloudProviderServicer
from stagely_rpc.crypto.servicer import CryptoServicer
from stagely_rpc.environments.servicer import EnvironmentServicer
from stagely_rpc.ids.servicer import IdServicer
from stagely_rpc.projects.servicer import ProjectServicer
from stagely_rpc.secrets.servicer import SecretServicer
from stagely_rpc.server.wiring import build_page_tokens
from stagely_rpc.teams.servicer import TeamServicer
from stagely_rpc.transport.handlers import without_registration
from stagely_rpc.transport.reflection import enable_reflection
from stagely_rpc.users.servicer import UserServicer

if TYPE_CHECKING:
    import grpc

    from stagely_rpc.audit.chain import ChainKey
    from stagely_rpc.crypto.envelope import Keyring
    from stagely_rpc.db.database import Database
    from stagely_rpc.health import HealthServicer
    from stagely_rpc.settings.model import Settings

_FILES = (
    audit_pb2,
    cloud_provider_pb2,
    crypto_pb2,
    environment_pb2,
    id_pb2,
    project_pb2,
    secret_pb2,
    team_pb2,
    user_pb2,
)
SERVICES = tuple(service for file in _FILES for service in file.DESCRIPTOR.services_by_name.values())
"""The descriptors of the contract's services."""


def add_servicers(
    server: grpc.aio.Server,
    settings: Settings,
    db: Database,
    keyring: Keyring,
    chain_key: ChainKey | None,
    health_servicer: HealthServicer,
) -> None:
    """Add every servicer and reflection to a server that has not started."""
    pages, target = build_page_tokens(settings), without_registration(server)
    audit_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(db, pages, chain_key), target)
    cloud_provider_pb2_grpc.add_CloudProviderServiceServicer_to_server(
        CloudProviderServicer(db, pages, keyring), target
    )
    crypto_pb2_grpc.add_CryptoServiceServicer_to_server(CryptoServicer(), target)
    environment_pb2_grpc.add_EnvironmentServiceServicer_to_server(
        EnvironmentServicer(db, pages, settings.domain), target
    )
    id_pb2_grpc.add_IdServiceServicer_to_server(IdServicer(), target)
    project_pb2_grpc.add_ProjectServiceServicer_to_server(ProjectServicer(db, pages), target)
    secret_pb2_grpc.add_SecretServiceServicer_to_server(SecretServicer(db, pages, keyring), target)
    team_pb2_grpc.add_TeamServiceServicer_to_server(TeamServicer(db, pages), target)
    user_pb2_grpc.add_UserServiceServicer_to_server(UserServicer(db, pages), target)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, target)
    enable_reflection((*(service.full_name for service in SERVICES), health.SERVICE_NAME), server)
