"""What a write holds until it ends: the team that owns what it is about, by which it is decided, and the resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from stagely_rpc.access import queries
from stagely_rpc.access.decisions import decide, role_queries
from stagely_rpc.db.etag import Versioned, check_etag
from stagely_rpc.errors import FailedPreconditionError, NotFoundError

if TYPE_CHECKING:
    from stagely_rpc.access.queries import ResourceRef
    from stagely_rpc.db.models import Team
    from stagely_rpc.db.sql.statement import Query
    from stagely_rpc.db.write_session import WriteSession


class Target(Protocol):
    """Which version of a resource a caller means."""

    @property
    def etag(self) -> str: ...  # noqa: D102


R1 = TypeVar("R1")
R2 = TypeVar("R2")
R3 = TypeVar("R3")
Row = TypeVar("Row", bound=Versioned)


@overload
async def lock_team(
    session: WriteSession, ref: ResourceRef, missing: NotFoundError, /, *, exclusively: bool = False
) -> tuple[Team]: ...
@overload
async def lock_team(
    session: WriteSession, ref: ResourceRef, missing: NotFoundError, one: Query[R1], /, *, exclusively: bool = False
) -> tuple[Team, R1]: ...
@overload
async def lock_team(
    session: WriteSession,
    ref: ResourceRef,
    missing: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    /,
    *,
    exclusively: bool = False,
) -> tuple[Team, R1, R2]: ...
@overload
async def lock_team(
    session: WriteSession,
    ref: ResourceRef,
    missing: NotFoundError,
    one: Query[R1],
    two: Query[R2],
    three: Query[R3],
    /,
    *,
    exclusively: bool = False,
) -> tuple[Team, R1, R2, R3]: ...
@overload
async def lock_team(
    session: WriteSession, ref: ResourceRef, missing: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]: ...
async def lock_team(
    session: WriteSession, ref: ResourceRef, missing: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]:
    """Hold the team that owns what a write is about, decide about the call, and ask for more, all in one wait.

    Until the transaction ends, the team is not deleted, nor changed, nor what its members may do.

    Args:
        session: of the call.
        ref: what the write is about.
        missing: raised if there is no such thing, or the acting user may not know.
        others: what else to ask for, under the hold.
        exclusively: whether no one else holds the team meanwhile. What must be exact for a team as a whole, its owners
            or its quotas, is decided so.

    Returns:
        The team, and the results of the other queries.

    Raises:
        NotFoundError: the one that is given.
        PermissionDeniedError: the acting user's role in the team does not do.
        FailedPreconditionError: the team is deleted.
    """
    held = await lock_team_even_deleted(session, ref, missing, *others, exclusively=exclusively)
    team = held[0]
    if team.deleted_at is not None:
        message = f"team {team.slug!r} is deleted"
        raise FailedPreconditionError(message, subject=f"Team {team.id}", reason="TEAM_DELETED")
    return held


async def lock_team_even_deleted(
    session: WriteSession, ref: ResourceRef, missing: NotFoundError, /, *others: Query[Any], exclusively: bool = False
) -> tuple[Any, ...]:
    """Hold a team as `lock_team` does, deleted or not."""
    roles = role_queries(session, ref)
    team, *results = await session.ask(queries.hold_team(ref, exclusively=exclusively), *roles, *others)
    if team is None:
        raise missing
    decide(session, team.id, results[0] if roles else None, missing)
    return (team, *results[len(roles) :])


async def lock_resource(
    session: WriteSession, ref: ResourceRef, target: Target, lock: Query[Row | None], /, *others: Query[Any]
) -> tuple[Row, *tuple[Any, ...]]:
    """Hold what a write is about, as the caller has seen it, with its team, which is live.

    Args:
        session: of the call.
        ref: what the write is about.
        target: says which version of it the caller means.
        lock: the query that holds it.
        others: what else to ask for, under the hold.

    Returns:
        The resource, and the results of the other queries.

    Raises:
        NotFoundError: there is no such thing, or the acting user may not know.
        PermissionDeniedError: the acting user's role in the team does not do.
        FailedPreconditionError: the team is deleted.
        AbortedError: the etag is stale.
    """
    missing = NotFoundError(ref.model.__name__, ref.id)
    _, row, *results = await lock_team(session, ref, missing, lock, *others)
    return (unchanged(row, target, missing), *results)


def unchanged(row: Row | None, target: Target, missing: NotFoundError) -> Row:
    """Return what was to be held, if it is there, and is as the caller has seen it.

    Raises:
        NotFoundError: the one that is given.
        AbortedError: the etag is stale.
    """
    if row is None:
        raise missing
    check_etag(row, target.etag)
    return row
