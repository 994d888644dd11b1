"""Every SQL statement about cloud providers.

Only `CREDENTIALS` and `lock_cloud_provider` read the ciphertext of the credentials.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select

from stagely_rpc.access import register_owner
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import CloudProvider, Project
from stagely_rpc.db.models.rows import CloudProviderRow, CloudProviderSummary
from stagely_rpc.db.paging import Found, Listing, Page
from stagely_rpc.db.sql.statement import Statement

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement

    from stagely_rpc.cloud_providers.inputs import ProviderFilter
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query

register_owner(CloudProvider, CloudProvider.team_id)

_TABLE = CloudProvider.__table__
_PROVIDERS = select(*(column for column in _TABLE.c if column.key != "encrypted_credentials"))

PROVIDER_BY_ID = PointRead("cloud provider by id", CloudProviderSummary, _PROVIDERS, CloudProvider.id)
PROVIDER_BY_NAME = PointRead(
    "cloud provider by name", CloudProviderSummary, _PROVIDERS, CloudProvider.team_id, CloudProvider.name
)
CREDENTIALS = PointRead("credentials of cloud provider", CloudProviderRow, select(_TABLE), CloudProvider.id)
"""A cloud provider with the ciphertext of its credentials. Key: its id."""

_HAS_ID = CloudProvider.id == bindparam("id")
_PROVIDER = Statement(_PROVIDERS.where(_HAS_ID), CloudProviderSummary)
_PROJECTS = Statement(select(func.count()).where(Project.cloud_provider_id == bindparam("id")))


def get_cloud_provider(provider_id: uuid.UUID) -> Query[CloudProviderSummary | None]:
    """Return the query for a cloud provider, active or not."""
    return _PROVIDER.first(id=provider_id)


def lock_cloud_provider(provider_id: uuid.UUID, *, to_delete: bool = False) -> Query[CloudProviderRow | None]:
    """Return the query that locks a cloud provider.

    The lock for a deletion also blocks new projects that refer to the cloud provider.
    """
    return _lock(to_delete=to_delete).first(id=provider_id)


@cache
def _lock(*, to_delete: bool) -> Statement[CloudProviderRow]:
    return Statement(select(_TABLE).where(_HAS_ID).with_for_update(key_share=not to_delete), CloudProviderRow)


def count_projects(provider_id: uuid.UUID) -> Query[int]:
    """Return the query for the number of projects that use a cloud provider."""
    return _PROJECTS.value(id=provider_id)


_LIST = Listing(CloudProviderSummary, "team_id", "provider_type", "is_active")


async def list_cloud_providers(
    session: Session, wanted: ProviderFilter, page: Page, visible: ColumnElement[bool]
) -> Found[CloudProviderSummary]:
    """Return a page of the visible cloud providers."""
    return await _LIST.fetch(session, page, wanted.model_dump(), visible)
