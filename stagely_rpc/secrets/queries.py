"""Every SQL statement about secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert

from stagely_rpc.db.models import Secret
from stagely_rpc.db.paging import Found, Page, fetch_page
from stagely_rpc.secrets.inputs import GLOBAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.ext.asyncio import AsyncSession

    from stagely_rpc.secrets.inputs import SecretFilter, SecretKey, SecretName, ServiceScope


async def get_secret(session: AsyncSession, key: SecretKey) -> Secret | None:
    """Return a secret by its id or name."""
    return await session.scalar(select(Secret).where(_is(key)))


async def lock_secret(session: AsyncSession, key: SecretKey) -> Secret | None:
    """Return a secret as it is now, and hold it until the transaction ends."""
    statement = select(Secret).where(_is(key)).with_for_update()
    return await session.scalar(statement.execution_options(populate_existing=True))


async def add_secret(session: AsyncSession, **columns: object) -> Secret | None:
    """Add a secret and return it; None if there is one of this name, which a concurrent transaction may have added."""
    statement = insert(Secret).values(**columns).on_conflict_do_nothing(constraint="unique_secret_per_scope")
    return await session.scalar(statement.returning(Secret))


async def list_secrets(session: AsyncSession, wanted: SecretFilter, page: Page) -> Found[Secret]:
    """Return a page of a project's secrets."""
    statement = select(Secret).where(Secret.project_id == wanted.project_id)
    if wanted.scope:
        statement = statement.where(Secret.scope == wanted.scope)
    if wanted.secret_type:
        statement = statement.where(Secret.secret_type == wanted.secret_type)
    return await fetch_page(session, statement, Secret, page)


async def list_candidates(session: AsyncSession, wanted: ServiceScope) -> Sequence[Secret]:
    """Return the global secrets of a project and those of one of its services, in no order."""
    statement = select(Secret).where(Secret.project_id == wanted.project_id, Secret.scope.in_((GLOBAL, wanted.scope)))
    return (await session.scalars(statement)).all()


def _is(key: SecretKey) -> ColumnElement[bool]:
    return Secret.id == key.id if key.name is None else _is_named(key.name)


def _is_named(name: SecretName) -> ColumnElement[bool]:
    return and_(Secret.project_id == name.project_id, Secret.key == name.key, Secret.scope == name.scope)
