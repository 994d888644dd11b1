"""The rules of environments.

Locks are taken in the order team, project, environment:

- CreateEnvironment, EnsureEnvironment and a transition to `building` lock the team FOR NO KEY UPDATE, so that the quota
  is exact, and the project FOR SHARE, so that it can't be archived.
- A transition to another live status locks the team FOR SHARE, so that it can't be deleted.
- Every other change locks only the environment.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from stagely_rpc import access
from stagely_rpc.access import ResourceRef
from stagely_rpc.db.models import LIVE_STATUSES, Environment, Project
from stagely_rpc.db.models.rows import EnvironmentRow, TeamRow
from stagely_rpc.environments import queries
from stagely_rpc.environments.inputs import Transition
from stagely_rpc.environments.queries import CLOSED_STATUSES
from stagely_rpc.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
)
from stagely_rpc.ids.service import new_id
from stagely_rpc.projects import service as projects
from stagely_rpc.quotas import service as quotas

if TYPE_CHECKING:
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session
    from stagely_rpc.db.write_session import WriteSession
    from stagely_rpc.environments.inputs import (
        EnvironmentChanges,
        EnvironmentFilter,
        EnvironmentKey,
        NewEnvironment,
        PullRequestHead,
    )
    from stagely_rpc.fields import Target

TRANSITIONS: dict[str, frozenset[str]] = {
    "pending": frozenset({"building", "failed", "terminated", "reaped"}),
    "building": frozenset({"deploying", "failed", "terminated", "reaped"}),
    "deploying": frozenset({"ready", "failed", "terminated", "reaped"}),
    "ready": frozenset({"building", "deploying", "failed", "terminated", "reaped"}),
    "failed": frozenset({"building", "terminated", "reaped"}),
    "terminated": frozenset(),
    "reaped": frozenset(),
}
"""The allowed transitions. A trigger in the database enforces the same table."""


async def create_environment(session: WriteSession, new: NewEnvironment) -> EnvironmentRow:
    """Add a pending environment.

    Raises:
        NotFoundError: there is no such project.
        AlreadyExistsError: the pull request has an open environment.
        FailedPreconditionError: the team is deleted, or the project is archived.
        ResourceExhaustedError: the team's quota is used up.
    """
    team, live, open_environment = await _lock_team_and_project(session, new)
    if open_environment is not None:
        raise _already_open(new)
    return _add_environment(session, team, live, new)


async def ensure_environment(session: WriteSession, head: PullRequestHead) -> tuple[EnvironmentRow, bool]:
    """Create or change an environment so that a pull request has a live environment for a commit.

    Returns:
        The environment, and whether it was created.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: the team is deleted, or the project is archived.
        ResourceExhaustedError: the team's quota is used up.
    """
    team, live, before = await _lock_team_and_project(session, head)
    if before is None:
        return _add_environment(session, team, live, head), True
    environment = before
    if before.status == "failed" or before.commit_hash != head.commit_hash:
        environment = _move_to_commit(session, team, live, before, head)
    session.record(before, environment)
    return environment, False


async def get_environment(session: Session, key: EnvironmentKey) -> EnvironmentRow:
    """Return an environment.

    Raises:
        NotFoundError: there is no such environment.
    """
    if key.pull_request is not None:
        pull_request = key.pull_request
        environment = await session.read(queries.OPEN_ENVIRONMENT, pull_request.project_id, pull_request.pr_number)
    elif key.subdomain_hash is not None:
        environment = await session.read(queries.ENVIRONMENT_BY_SUBDOMAIN, key.subdomain_hash)
    else:
        environment = await session.read(queries.ENVIRONMENT_BY_ID, key.id)
    if environment is None:
        raise _not_found(key)
    await access.require_project(session, environment.project_id, _not_found(key))
    return environment


async def list_environments(session: Session, wanted: EnvironmentFilter, page: Page) -> Found[EnvironmentRow]:
    """Return a page of environments."""
    visible = access.visible_by_project(session, Environment.project_id)
    return await queries.list_environments(session, wanted, page, visible)


async def update_environment(session: WriteSession, target: Target, changes: EnvironmentChanges) -> EnvironmentRow:
    """Record the VM, the commit or the cost of an environment.

    The environment may be closed, its project archived or its team deleted.

    Raises:
        NotFoundError: there is no such environment.
        FailedPreconditionError: the environment is closed, and the commit would change.
        AbortedError: the etag is stale.
    """
    before = await _lock_environment(session, target)
    if "commit_hash" in changes.model_fields_set and before.status in CLOSED_STATUSES:
        message = f"environment {before.subdomain_hash!r} is {before.status}: its commit can't change"
        raise FailedPreconditionError(message, subject=f"Environment {before.id}", reason="ENVIRONMENT_CLOSED")
    environment = session.update(before, _column_values(changes))
    session.record(before, environment)
    return environment


async def transition_environment(session: WriteSession, transition: Transition) -> EnvironmentRow:
    """Change the status of an environment.

    Raises:
        NotFoundError: there is no such environment.
        FailedPreconditionError: the transition is not allowed, or not allowed in a deleted team or an archived project.
        ResourceExhaustedError: a failed environment would become live, and the team's quota is used up.
        AbortedError: the etag is stale.
    """
    if transition.status == "building":
        before = await _lock_to_build(session, transition)
    elif transition.status in LIVE_STATUSES:
        ref, lock = ResourceRef(Environment, transition.id), queries.lock_environment(transition.id)
        (before,) = await access.lock_resource(session, ref, transition, lock)
    else:
        before = await _lock_environment(session, transition)
    _check_transition(before, transition.status)
    environment = session.update(before, _status_values(session, transition.status))
    session.record(before, environment)
    return environment


async def terminate_environment(session: WriteSession, target: Target) -> EnvironmentRow:
    """End an environment permanently.

    Raises:
        NotFoundError: there is no such environment.
        FailedPreconditionError: it has already been terminated or reaped.
        AbortedError: the etag is stale.
    """
    return await transition_environment(session, Transition(id=target.id, etag=target.etag, status="terminated"))


async def _lock_team_and_project(
    session: WriteSession, new: NewEnvironment | PullRequestHead
) -> tuple[TeamRow, int, EnvironmentRow | None]:
    """Lock the team, so that its quota is exact, and the project, which must not be archived.

    Returns:
        The team, its number of live environments, and the open environment of the pull request, locked, if any.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: the team is deleted, or the project is archived.
    """
    ref, not_found = ResourceRef(Project, new.project_id), NotFoundError("Project", new.project_id)
    team, project, *open_environments, live = await access.lock_team(
        session,
        ref,
        not_found,
        projects.lock_for_share(new.project_id),
        *([] if new.pr_number is None else [queries.lock_open_environment(new.project_id, new.pr_number)]),
        # Counted last: the environment may have ended while this call waited for its lock.
        quotas.live_environments_of_team(ref),
        exclusively=True,
    )
    projects.require_active(project, not_found)
    return team, live, open_environments[0] if open_environments else None


async def _lock_to_build(session: WriteSession, target: Target) -> EnvironmentRow:
    """Lock an environment with its project and its team, and check that it may start building."""
    ref, not_found = ResourceRef(Environment, target.id), NotFoundError("Environment", target.id)
    team, project, environment, live = await access.lock_team(
        session,
        ref,
        not_found,
        queries.lock_project_for_share(target.id),
        queries.lock_environment(target.id),
        quotas.live_environments_of_team(ref),
        exclusively=True,
    )
    projects.require_active(project, not_found)
    environment = access.require_unchanged(environment, target, not_found)
    if environment.status == "failed":
        quotas.require_environment(team, live)
    return environment


async def _lock_environment(session: WriteSession, target: Target) -> EnvironmentRow:
    """Lock an environment. Its team may be deleted or its project archived."""
    ref, not_found = ResourceRef(Environment, target.id), NotFoundError("Environment", target.id)
    environment = await access.authorize_and_fetch(session, ref, not_found, queries.lock_environment(target.id))
    return access.require_unchanged(environment, target, not_found)


def _add_environment(
    session: WriteSession, team: TeamRow, live: int, new: NewEnvironment | PullRequestHead
) -> EnvironmentRow:
    """Add a pending environment. The team must be locked."""
    quotas.require_environment(team, live)
    environment = session.insert(
        EnvironmentRow,
        {**new.model_dump(), "subdomain_hash": _new_subdomain_hash(new.pr_number)},
        {
            "environments_subdomain_hash_key": _subdomain_taken,
            "unique_open_environment_per_pr": partial(_already_open, new),
        },
    )
    session.record(None, environment)
    return environment


def _subdomain_taken() -> AbortedError:
    # With a million environments, the chance of a collision is about one in five million. The call then runs again.
    return AbortedError("the random subdomain is taken: retry", may_run_again=True)


def _already_open(new: NewEnvironment | PullRequestHead) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"pull request {new.pr_number} already has an open environment",
        resource_type="Environment",
        resource_name=f"{new.project_id}/{new.pr_number}",
        reason="ENVIRONMENT_EXISTS",
    )


def _not_found(key: EnvironmentKey) -> NotFoundError:
    return NotFoundError("Environment", key.id or key.subdomain_hash or key.pull_request)


def _new_subdomain_hash(pr_number: int | None) -> str:
    return f"env-{new_id()}" if pr_number is None else f"pr-{pr_number}-{new_id()}"


def _move_to_commit(
    session: WriteSession, team: TeamRow, live: int, environment: EnvironmentRow, head: PullRequestHead
) -> EnvironmentRow:
    """Set the commit of an open environment. A ready or failed environment starts building again."""
    if environment.status == "failed":
        quotas.require_environment(team, live)
    values = {"branch_name": head.branch_name, "commit_hash": head.commit_hash}
    if environment.status in ("ready", "failed"):
        values["status"] = "building"
    return session.update(environment, values)


def _check_transition(environment: EnvironmentRow, status: str) -> None:
    if status not in TRANSITIONS[environment.status]:
        message = f"environment {environment.subdomain_hash!r} is {environment.status}: it can't become {status}"
        raise FailedPreconditionError(message, subject=f"Environment {environment.id}", reason="ILLEGAL_TRANSITION")


def _status_values(session: WriteSession, status: str) -> dict[str, Any]:
    """Return the columns that a status sets, with the times of `ready` and of the final statuses."""
    values: dict[str, Any] = {"status": status}
    if status == "ready":
        values["deployed_at"] = session.now
    if status in CLOSED_STATUSES:
        values["terminated_at"] = session.now
    return values


def _column_values(changes: EnvironmentChanges) -> dict[str, Any]:
    values = changes.model_dump(exclude_unset=True)
    if "estimated_cost_usd_micros" in values:
        values["estimated_cost_usd"] = Decimal(values.pop("estimated_cost_usd_micros")).scaleb(-6)
    return values
