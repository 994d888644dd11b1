"""The services of the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from stagely.v1 import (
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
from stagely_rpc.client.services.audit import Audit, SyncAudit
from stagely_rpc.client.services.cloud_providers import CloudProviders, SyncCloudProviders
from stagely_rpc.client.services.crypto import Crypto, SyncCrypto
from stagely_rpc.client.services.environments import Environments, SyncEnvironments
from stagely_rpc.client.services.ids import Ids, SyncIds
from stagely_rpc.client.services.projects import Projects, SyncProjects
from stagely_rpc.client.services.secrets import Secrets, SyncSecrets
from stagely_rpc.client.services.teams import SyncTeams, Teams
from stagely_rpc.client.services.users import SyncUsers, Users

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls

SERVICES = (
    audit_pb2.DESCRIPTOR.services_by_name["AuditService"],
    cloud_provider_pb2.DESCRIPTOR.services_by_name["CloudProviderService"],
    crypto_pb2.DESCRIPTOR.services_by_name["CryptoService"],
    environment_pb2.DESCRIPTOR.services_by_name["EnvironmentService"],
    id_pb2.DESCRIPTOR.services_by_name["IdService"],
    project_pb2.DESCRIPTOR.services_by_name["ProjectService"],
    secret_pb2.DESCRIPTOR.services_by_name["SecretService"],
    team_pb2.DESCRIPTOR.services_by_name["TeamService"],
    user_pb2.DESCRIPTOR.services_by_name["UserService"],
)


class Services:
    """Every service of the contract."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @cached_property
    def audit(self) -> Audit:
        """The RPCs of AuditService."""
        return Audit(self._calls)

    @cached_property
    def cloud_providers(self) -> CloudProviders:
        """The RPCs of CloudProviderService."""
        return CloudProviders(self._calls)

    @cached_property
    def crypto(self) -> Crypto:
        """The RPCs of CryptoService."""
        return Crypto(self._calls)

    @cached_property
    def environments(self) -> Environments:
        """The RPCs of EnvironmentService."""
        return Environments(self._calls)

    @cached_property
    def ids(self) -> Ids:
        """The RPCs of IdService."""
        return Ids(self._calls)

    @cached_property
    def projects(self) -> Projects:
        """The RPCs of ProjectService."""
        return Projects(self._calls)

    @cached_property
    def secrets(self) -> Secrets:
        """The RPCs of SecretService."""
        return Secrets(self._calls)

    @cached_property
    def teams(self) -> Teams:
        """The RPCs of TeamService."""
        return Teams(self._calls)

    @cached_property
    def users(self) -> Users:
        """The RPCs of UserService."""
        return Users(self._calls)


class SyncServices:
    """Every service of the contract."""

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls

    @cached_property
    def audit(self) -> SyncAudit:
        """The RPCs of AuditService."""
        return SyncAudit(self._calls)

    @cached_property
    def cloud_providers(self) -> SyncCloudProviders:
        """The RPCs of CloudProviderService."""
        return SyncCloudProviders(self._calls)

    @cached_property
    def crypto(self) -> SyncCrypto:
        """The RPCs of CryptoService."""
        return SyncCrypto(self._calls)

    @cached_property
    def environments(self) -> SyncEnvironments:
        """The RPCs of EnvironmentService."""
        return SyncEnvironments(self._calls)

    @cached_property
    def ids(self) -> SyncIds:
        """The RPCs of IdService."""
        return SyncIds(self._calls)

    @cached_property
    def projects(self) -> SyncProjects:
        """The RPCs of ProjectService."""
        return SyncProjects(self._calls)

    @cached_property
    def secrets(self) -> SyncSecrets:
        """The RPCs of SecretService."""
        return SyncSecrets(self._calls)

    @cached_property
    def teams(self) -> SyncTeams:
        """The RPCs of TeamService."""
        return SyncTeams(self._calls)

    @cached_property
    def users(self) -> SyncUsers:
        """The RPCs of UserService."""
        return SyncUsers(self._calls)
