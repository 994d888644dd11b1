"""Every SQL statement about secrets."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, or_, select

from stagely_rpc.access import register_owner
from stagely_rpc.db.batching.point_read import PointRead
from stagely_rpc.db.models import Project, Secret
from stagely_rpc.db.models.rows import OwnedSecretRow, SecretRow, SecretSummary
from stagely_rpc.db.paging import Found, Listing, Page
from stagely_rpc.db.sql.statement import Statement
from stagely_rpc.secrets.inputs import GLOBAL

if TYPE_CHECKING:
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.secrets.inputs import SecretFilter, SecretKey, ServiceScope

register_owner(Secret, Secret.project_id, through=Project)

_WITH_TEAM_ID = select(Secret.__table__, Project.team_id).join(Project, Project.id == Secret.project_id)

SECRET_BY_ID = PointRead("secret by id", OwnedSecretRow, _WITH_TEAM_ID, Secret.id)
"""A secret and the team that owns it. Key: the secret's id."""

SECRET_BY_NAME = PointRead("secret by name", OwnedSecretRow, _WITH_TEAM_ID, Secret.project_id, Secret.key, Secret.scope)
"""A secret and the team that owns it. Key: its project, key and scope."""

_SECRETS = select(Secret.__table__)
_LOCK_BY_ID = Statement(_SECRETS.where(Secret.id == bindparam("id")).with_for_update(), SecretRow)
_LOCK_BY_NAME = Statement(
    _SECRETS.where(
        Secret.project_id == bindparam("project_id"),
        Secret.key == bindparam("key"),
        Secret.scope == bindparam("scope"),
    ).with_for_update(),
    SecretRow,
)


class Candidate(NamedTuple):
    """A secret that a service may get, with its ciphertext."""

    id: uuid.UUID
    project_id: uuid.UUID
    key: str
    scope: str
    encrypted_value: str
    secret_type: str
    file_path: str | None
    file_permissions: str | None
    row_version: int


_CANDIDATES = Statement(
    select(*(getattr(Secret, name) for name in Candidate._fields)).where(
        Secret.project_id == bindparam("project_id"), or_(Secret.scope == GLOBAL, Secret.scope == bindparam("scope"))
    ),
    Candidate,
)


def lock_secret(key: SecretKey) -> Query[SecretRow | None]:
    """Return the query that locks a secret."""
    if key.name is None:
        return _LOCK_BY_ID.first(id=key.id)
    return _LOCK_BY_NAME.first(project_id=key.name.project_id, key=key.name.key, scope=key.name.scope)


_LIST = Listing(SecretSummary, "project_id", "scope", "secret_type")


async def list_secrets(session: Session, wanted: SecretFilter, page: Page) -> Found[SecretSummary]:
    """Return a page of a project's secrets."""
    return await _LIST.fetch(session, page, wanted.model_dump())


def list_candidates(wanted: ServiceScope) -> Query[list[Candidate]]:
    """Return the query for the global secrets of a project and those of one service, unordered."""
    return _CANDIDATES.all(project_id=wanted.project_id, scope=wanted.scope)
