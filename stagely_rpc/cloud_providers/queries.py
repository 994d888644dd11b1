"""Every SQL statement about cloud providers.

The ciphertext of the credentials is read by `get_credentials` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update
from sqlalchemy.orm import defer

from stagely_rpc.db.models import CloudProvider, Project
from stagely_rpc.db.paging import Found, Page, fetch_page

if TYPE_CHECKING:
    import uuid

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.cloud_providers.inputs import ProviderFilter, ProviderKey

_WITHOUT_CREDENTIALS = defer(CloudProvider.encrypted_credentials, raiseload=True)


async def get_cloud_provider(session: AsyncSession, key: ProviderKey) -> CloudProvider | None:
    """Return a cloud provider, active or not, by its id, or by its team and name."""
    columns = key.team_name.model_dump() if key.team_name else {"id": key.id}
    return await session.scalar(select(CloudProvider).filter_by(**columns).options(_WITHOUT_CREDENTIALS))


async def get_credentials(session: AsyncSession, provider_id: uuid.UUID) -> CloudProvider | None:
    """Return a cloud provider with the ciphertext of its credentials."""
    return await session.scalar(select(CloudProvider).where(CloudProvider.id == provider_id))


async def lock_cloud_provider(
    session: AsyncSession, provider_id: uuid.UUID, *, to_delete: bool = False
) -> CloudProvider | None:
    """Return a cloud provider and hold it until the transaction ends.

    To be deleted, it is held against new projects too, which else only refer to it.
    """
    statement = (
        select(CloudProvider)
        .where(CloudProvider.id == provider_id)
        .options(_WITHOUT_CREDENTIALS)
        .with_for_update(key_share=not to_delete)
    )
    return await session.scalar(statement.execution_options(populate_existing=True))


async def list_cloud_providers(
    session: AsyncSession, wanted: ProviderFilter, page: Page, visible: ColumnElement[bool]
) -> Found[CloudProvider]:
    """Return a page of the visible cloud providers."""
    statement = select(CloudProvider).where(visible).filter_by(**wanted.model_dump(exclude_none=True))
    return await fetch_page(session, statement.options(_WITHOUT_CREDENTIALS), CloudProvider, page)


async def mark_validated(session: AsyncSession, provider: CloudProvider) -> CloudProvider:
    """Set when a cloud provider was validated: now, and without an error."""
    statement = (
        update(CloudProvider)
        .where(CloudProvider.id == provider.id)
        .values(last_validated_at=func.now(), validation_error=None)
        .returning(CloudProvider)
        .options(_WITHOUT_CREDENTIALS)
    )
    return (await session.scalars(statement.execution_options(populate_existing=True))).one()


async def count_projects(session: AsyncSession, provider_id: uuid.UUID) -> int:
    """Count the projects that use a cloud provider."""
    return (await session.scalars(select(func.count()).where(Project.cloud_provider_id == provider_id))).one()
