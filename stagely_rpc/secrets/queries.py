"""Every SQL statement about secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, or_, select

from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Project, Secret
from stagely_rpc.db.paging import Found, Listing, Page
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.secrets.inputs import GLOBAL

if TYPE_CHECKING:
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.secrets.inputs import SecretFilter, SecretKey, ServiceScope

_OF_TEAM = select(Secret.__table__, Project.team_id).join(Project, Project.id == Secret.project_id)

SECRET_BY_ID = PointRead[Secret]("secret by id", _OF_TEAM, Secret.id)
"""A secret, and the team that owns it; by its id."""

SECRET_BY_NAME = PointRead[Secret]("secret by name", _OF_TEAM, Secret.project_id, Secret.key, Secret.scope)
"""A secret, and the team that owns it; by its project, key and scope."""

_SECRETS = select(Secret.__table__)
_LOCK_BY_ID = Statement(_SECRETS.where(Secret.id == bindparam("id")).with_for_update())
_LOCK_BY_NAME = Statement(
    _SECRETS.where(
        Secret.project_id == bindparam("project_id"),
        Secret.key == bindparam("key"),
        Secret.scope == bindparam("scope"),
    ).with_for_update()
)


_CANDIDATES = Statement(
    select(
        *(Secret.id, Secret.project_id, Secret.key, Secret.scope, Secret.encrypted_value),
        *(Secret.secret_type, Secret.file_path, Secret.file_permissions, Secret.row_version),
    ).where(
        Secret.project_id == bindparam("project_id"), or_(Secret.scope == GLOBAL, Secret.scope == bindparam("scope"))
    )
)


def lock_secret(key: SecretKey) -> Query[Secret | None]:
    """Return the query for a secret as it is now, held until the transaction ends."""
    if key.name is None:
        return _LOCK_BY_ID.row(Secret, id=key.id)
    return _LOCK_BY_NAME.row(Secret, project_id=key.name.project_id, key=key.name.key, scope=key.name.scope)


_LIST = Listing(Secret, "project_id", "scope", "secret_type", without={"encrypted_value"})


async def list_secrets(session: Session, wanted: SecretFilter, page: Page) -> Found[Secret]:
    """Return a page of a project's secrets."""
    return await _LIST.fetch(session, page, wanted.model_dump())


def list_candidates(wanted: ServiceScope) -> Query[list[Secret]]:
    """Return the query for the global secrets of a project and those of one of its services, in no order.

    They have what a service gets of them, and no times.
    """
    return _CANDIDATES.rows(project_id=wanted.project_id, scope=wanted.scope)
