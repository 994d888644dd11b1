"""The rules of environments.

Locks are taken in the order team, project, environment. Whatever makes an environment live holds the team, so that the
quota is exact; whatever else changes one holds that one alone.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from stagely_rpc import access
from stagely_rpc.db.errors import constraint
from stagely_rpc.db.etag import check_etag
from stagely_rpc.db.models import LIVE_STATUSES, Environment
from stagely_rpc.db.session import state
from stagely_rpc.environments import queries
from stagely_rpc.environments.inputs import Transition
from stagely_rpc.environments.queries import CLOSED_STATUSES
from stagely_rpc.errors import AlreadyExistsError, FailedPreconditionError, NotFoundError, ResourceExhaustedError
from stagely_rpc.ids.service import new_id
from stagely_rpc.projects import service as projects
from stagely_rpc.projects.inputs import ProjectKey
from stagely_rpc.teams import service as teams

if TYPE_CHECKING:
    import uuid

    from stagely_rpc.db.models import Team
    from stagely_rpc.db.paging import Found, Page
    from stagely_rpc.db.session import Session, WriteSession
    from stagely_rpc.environments.inputs import (
        EnvironmentChanges,
        EnvironmentFilter,
        EnvironmentKey,
        NewEnvironment,
        PullRequestHead,
    )
    from stagely_rpc.inputs import Target

TRANSITIONS: dict[str, frozenset[str]] = {
    "pending": frozenset({"building", "failed", "terminated", "reaped"}),
    "building": frozenset({"deploying", "failed", "terminated", "reaped"}),
    "deploying": frozenset({"ready", "failed", "terminated", "reaped"}),
    "ready": frozenset({"building", "deploying", "failed", "terminated", "reaped"}),
    "failed": frozenset({"building", "terminated", "reaped"}),
    "terminated": frozenset(),
    "reaped": frozenset(),
}
"""Which status may follow on which. The database holds the same table, in a trigger."""

# One collision among a million environments has a chance of one in five million; three in a row are no chance.
_SUBDOMAIN_ATTEMPTS = 3


async def create_environment(session: WriteSession, new: NewEnvironment) -> Environment:
    """Add a pending environment.

    Raises:
        NotFoundError: there is no such project.
        AlreadyExistsError: the pull request has an open environment.
        FailedPreconditionError: the team is deleted, or the project archived.
        ResourceExhaustedError: the team's quota is used up.
    """
    team = await _hold_for_work(session, new.project_id)
    return await _add_environment(session, team, new)


async def ensure_environment(session: WriteSession, head: PullRequestHead) -> tuple[Environment, bool]:
    """See to it that a pull request has a live environment for a commit; tell whether it was created.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: the team is deleted, or the project archived.
        ResourceExhaustedError: the team's quota is used up.
    """
    team = await _hold_for_work(session, head.project_id)
    environment = await queries.lock_open_environment(session, head)
    if environment is None:
        return await _add_environment(session, team, head), True
    before = state(environment)
    if environment.status == "failed" or environment.commit_hash != head.commit_hash:
        await _move(session, team, environment, head)
    session.record(environment, before=before)
    return environment, False


async def get_environment(session: Session, key: EnvironmentKey) -> Environment:
    """Return an environment.

    Raises:
        NotFoundError: there is none.
    """
    environment = await queries.get_environment(session, key)
    if environment is None:
        raise _not_found(key)
    await access.require_project(session, environment.project_id, _not_found(key))
    return environment


async def list_environments(session: Session, wanted: EnvironmentFilter, page: Page) -> Found[Environment]:
    """Return a page of environments."""
    visible = access.visible_by_project(session, Environment.project_id)
    return await queries.list_environments(session, wanted, page, visible)


async def update_environment(session: WriteSession, target: Target, changes: EnvironmentChanges) -> Environment:
    """Record what is the case with an environment, whatever its status, its project's and its team's are.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: its commit would change, and it is closed.
        AbortedError: the etag is stale.
    """
    environment = await _lock_environment(session, target)
    before = state(environment)
    if "commit_hash" in changes.model_fields_set and environment.status in CLOSED_STATUSES:
        message = f"environment {environment.subdomain_hash!r} is {environment.status}: its commit can't change"
        raise FailedPreconditionError(message, subject=f"Environment {environment.id}", reason="ENVIRONMENT_CLOSED")
    for name, value in _column_values(changes).items():
        setattr(environment, name, value)
    await session.flush()
    session.record(environment, before=before)
    return environment


async def transition_environment(session: WriteSession, transition: Transition) -> Environment:
    """Change the status of an environment.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: the status can't follow on the present one; or the team is deleted or the project
            archived, and the status is not for them.
        ResourceExhaustedError: a failed environment is tried again, and the team's quota is used up.
        AbortedError: the etag is stale.
    """
    team = await _hold_for_transition(session, transition)
    environment = await _lock_environment(session, transition)
    _check_transition(environment, transition.status)
    is_retried, before = environment.status == "failed", state(environment)
    environment = await queries.set_status(session, environment, transition.status)
    if team is not None and is_retried:
        await _require_quota(session, team)
    session.record(environment, before=before)
    return environment


async def terminate_environment(session: WriteSession, target: Target) -> Environment:
    """End an environment for good.

    Raises:
        NotFoundError: there is none.
        FailedPreconditionError: it is ended already.
        AbortedError: the etag is stale.
    """
    return await transition_environment(session, Transition(id=target.id, etag=target.etag, status="terminated"))


async def _hold_for_work(session: WriteSession, project_id: uuid.UUID) -> Team:
    """Hold a project in which work may start, and its team, for the quota.

    Raises:
        NotFoundError: there is no such project.
        FailedPreconditionError: the team is deleted, or the project archived.
    """
    project = await projects.get_project(session, ProjectKey(id=project_id))
    team = await teams.lock_live_team(session, project.team_id)
    # Only now is the project what it stays: it may have been archived or deleted while the team was waited for.
    held = await queries.hold_project(session, project_id)
    if held is None:
        raise NotFoundError("Project", project_id)
    if not held.is_active:
        message = f"project {held.slug!r} is archived"
        raise FailedPreconditionError(message, subject=f"Project {held.id}", reason="PROJECT_ARCHIVED")
    return team


async def _hold_for_transition(session: WriteSession, transition: Transition) -> Team | None:
    """Hold what must stay as it is while an environment gets a status; return the team if all of it is held."""
    if transition.status not in LIVE_STATUSES:
        return None
    project = await queries.get_project_of(session, transition.id)
    if project is None:
        raise NotFoundError("Environment", transition.id)
    await access.require_team(session, project.team_id, NotFoundError("Environment", transition.id))
    if transition.status == "building":
        return await _hold_for_work(session, project.id)
    await teams.hold_live_team(session, project.team_id)
    return None


async def _lock_environment(session: WriteSession, target: Target) -> Environment:
    environment = await queries.lock_environment(session, target.id)
    if environment is None:
        raise NotFoundError("Environment", target.id)
    await access.require_project(session, environment.project_id, NotFoundError("Environment", target.id))
    check_etag(environment, target.etag)
    return environment


async def _add_environment(session: WriteSession, team: Team, new: NewEnvironment | PullRequestHead) -> Environment:
    """Add a pending environment; the team must be held."""
    for _ in range(_SUBDOMAIN_ATTEMPTS):
        with constraint("unique_open_environment_per_pr", _is_open_already(new)):
            environment = await queries.add_environment(session, new, _new_subdomain_hash(new.pr_number))
        if environment is not None:
            await _require_quota(session, team)
            session.record(environment)
            return environment
    raise RuntimeError(f"{_SUBDOMAIN_ATTEMPTS} random subdomains in a row are taken: they are not random")


def _is_open_already(new: NewEnvironment | PullRequestHead) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"pull request {new.pr_number} has an open environment already",
        resource_type="Environment",
        resource_name=f"{new.project_id}/{new.pr_number}",
        reason="ENVIRONMENT_EXISTS",
    )


def _not_found(key: EnvironmentKey) -> NotFoundError:
    return NotFoundError("Environment", key.id or key.subdomain_hash or key.pull_request)


def _new_subdomain_hash(pr_number: int | None) -> str:
    return f"env-{new_id()}" if pr_number is None else f"pr-{pr_number}-{new_id()}"


async def _move(session: WriteSession, team: Team, environment: Environment, head: PullRequestHead) -> None:
    """Have an open environment show another commit; one that is through, well or badly, starts over."""
    is_retried = environment.status == "failed"
    environment.branch_name = head.branch_name
    environment.commit_hash = head.commit_hash
    if environment.status in ("ready", "failed"):
        environment.status = "building"
    await session.flush()
    if is_retried:
        await _require_quota(session, team)


def _check_transition(environment: Environment, status: str) -> None:
    if status not in TRANSITIONS[environment.status]:
        message = f"environment {environment.subdomain_hash!r} is {environment.status}: it can't become {status}"
        raise FailedPreconditionError(message, subject=f"Environment {environment.id}", reason="ILLEGAL_TRANSITION")


async def _require_quota(session: WriteSession, team: Team) -> None:
    """Check that a team's live environments, with the one that has just come to them, are within its quota.

    Counting after the change leaves it to the constraints to refuse first, and what is refused here is rolled back.
    """
    live, quota = await teams.count_live_environments(session, team), team.max_concurrent_stagelets
    if live > quota:
        message = f"team {team.slug!r} has {live - 1} live environments and a quota of {quota}"
        raise ResourceExhaustedError(message, subject=f"Team {team.id}", reason="ENVIRONMENT_QUOTA_EXCEEDED")


def _column_values(changes: EnvironmentChanges) -> dict[str, Any]:
    values = changes.model_dump(exclude_unset=True)
    if "estimated_cost_usd_micros" in values:
        values["estimated_cost_usd"] = Decimal(values.pop("estimated_cost_usd_micros")).scaleb(-6)
    return values
