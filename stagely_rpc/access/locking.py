"""The locks of a write: the team that owns the resource, then the resource.

Locks are taken in the order team, project, then the resources of the project. Each lasts until the transaction ends.
The strength of a lock depends on what the transaction does to the row:

- `FOR SHARE` on a row that must not change during the transaction: the team or the project of the changed row. Any
  number of transactions can hold it.
- `FOR NO KEY UPDATE` on a row that is changed, and on a team whose totals must be exact (its owners, its quotas). One
  transaction at a time can hold it. It does not block inserts that refer to the row.
- `FOR UPDATE` on a row that is deleted. It also blocks inserts that refer to the row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from stagely_rpc.access import queries
from stagely_rpc.access.decisions import check_role, role_queries
from stagely_rpc.db.etag import Versioned, check_etag
from stagely_rpc.errors import FailedPreconditionError, NotFoundError

if TYPE_CHECKING:
    from stagely_rpc.access.ownership import ResourceRef
    from stagely_rpc.db.models.rows import TeamRow
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession


class Target(Protocol):
    """The etag that the caller has seen."""

    @property
    def etag(self) -> str: ...  # noqa: D102


R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
Row = TypeVar("Row", bound=Versioned)


@overload
async def lock_team(
    session: WriteSession, ref: ResourceRef, not_found: NotFoundError, /, *, exclusively: bool = False
) -> tuple[TeamRow]: ...
@overload
async def lock_team(
    session: WriteSession, ref: ResourceRef, not_found: NotFoundError, one: Query[R1], /, *, exclusively: bool = False
) -> tuple[TeamRow, R1]: ...
@overload
async def lock_team(
    session: WriteSession,
    ref: ResourceRef,
    not_found: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    /,
    *,
    exclusively: bool = False,
) -> tuple[TeamRow, R1, R2]: ...
@overload
async def lock_team(
    session: WriteSession,
    ref: ResourceRef,
    not_found: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    three: Query[R3],
    /,
    *,
    exclusively: bool = False,
) -> tuple[TeamRow, R1, R2, R3]: ...
@overload
async def lock_team(
    session: WriteSession,
    ref: ResourceRef,
    not_found: NotFoundError,
    one: Query[Any],
    two: Query[Any],
    three: Query[Any],
    four: Query[Any],
    /,
    *others: Query[Any],
    exclusively: bool = False,
) -> tuple[TeamRow, *tuple[Any, ...]]: ...
async def lock_team(
    session: WriteSession, ref: ResourceRef, not_found: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]:
    """Lock the team that owns a resource, authorize the call, and run other queries, in one round trip.

    Until the transaction ends, no other transaction can delete or change the team, or change its members' roles.

    Args:
        session: the session of the call.
        ref: the resource.
        not_found: the error to raise if there is no such resource, or the acting user is not a member of its team.
        others: queries to run after the lock is taken.
        exclusively: whether to lock the team FOR NO KEY UPDATE instead of FOR SHARE. Needed if the number of its owners
            or live environments must be exact.

    Returns:
        The team, and the results of the other queries.

    Raises:
        NotFoundError: `not_found`.
        PermissionDeniedError: the acting user's role in the team is not sufficient.
        FailedPreconditionError: the team is deleted.
    """
    locked = await lock_team_even_deleted(session, ref, not_found, *others, exclusively=exclusively)
    team = locked[0]
    if team.deleted_at is not None:
        message = f"team {team.slug!r} is deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_DELETED")
    return locked


async def lock_team_even_deleted(
    session: WriteSession, ref: ResourceRef, not_found: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[TeamRow, *tuple[Any, ...]]:
    """Lock a team as `lock_team` does, but accept a deleted team."""
    roles = role_queries(session, ref)
    team, *results = await session.ask(queries.lock_team(ref, exclusively=exclusively), *roles, *others)
    if team is None:
        raise not_found
    check_role(session, team.id, results[0] if roles else None, not_found)
    return (team, *results[len(roles) :])


async def lock_resource(
    session: WriteSession, ref: ResourceRef, target: Target, lock: Query[Row | None], /, *others: Query[Any]
) -> tuple[Row, *tuple[Any, ...]]:
    """Lock a resource and its team. Check the etag, and that the team is not deleted.

    Args:
        session: the session of the call.
        ref: the resource.
        target: the etag that the caller has seen.
        lock: the query that locks the resource.
        others: queries to run after the locks are taken.

    Returns:
        The resource, and the results of the other queries.

    Raises:
        NotFoundError: there is no such resource, or the acting user is not a member of its team.
        PermissionDeniedError: the acting user's role in the team is not sufficient.
        FailedPreconditionError: the team is deleted.
        AbortedError: the etag is stale.
    """
    not_found = NotFoundError(ref.model.__name__, ref.id)
    _, row, *results = await lock_team(session, ref, not_found, lock, *others)
    return (require_unchanged(row, target, not_found), *results)


def require_unchanged(row: Row | None, target: Target, not_found: NotFoundError) -> Row:
    """Return a locked row. Check that it exists and that the etag is current.

    Raises:
        NotFoundError: `not_found`.
        AbortedError: the etag is stale.
    """
    if row is None:
        raise not_found
    check_etag(row, target.etag)
    return row
