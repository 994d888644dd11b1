"""Cases for the statements of every list.

There is a case for no filter, each filter and each pair of filters, each for the first page and a later page, and each
for a service and for an acting user.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations, product
from typing import TYPE_CHECKING, Any, get_args

from sqlalchemy import and_, true

from stagely_rpc.access import queries as access
from stagely_rpc.audit import queries as audit
from stagely_rpc.audit.inputs import AuditLogFilter
from stagely_rpc.call import Role
from stagely_rpc.cloud_providers import queries as cloud_providers
from stagely_rpc.cloud_providers.inputs import ProviderFilter
from stagely_rpc.db.models import AuditLog, CloudProvider, Environment, Project, Team
from stagely_rpc.db.paging import Page
from stagely_rpc.environments import queries as environments
from stagely_rpc.environments.inputs import EnvironmentFilter
from stagely_rpc.projects import queries as projects
from stagely_rpc.projects.inputs import ProjectFilter
from stagely_rpc.secrets import queries as stored_secrets
from stagely_rpc.secrets.inputs import SecretFilter
from stagely_rpc.teams import queries as teams
from stagely_rpc.teams.inputs import MemberFilter, TeamFilter
from stagely_rpc.users import queries as users
from stagely_rpc.users.inputs import UserFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import ColumnElement

    from tests.support.plans.cases import Case
    from tests.support.plans.recording import RecordingSession
    from tests.support.plans.world import Keys

    Filters = dict[str, Any]
    Visible = Callable[[Keys, Filters], ColumnElement[bool]]

PAGE_SIZE = 20
ROLES = get_args(Role)
"""All roles, for a user with the widest access."""


def _filters(name: str, keys: Keys) -> Filters:
    """Return the filters of a list, with values."""
    filters: dict[str, Filters] = {
        "teams.list_teams": {"user_id": keys.user_id, "billing_plan": "free", "show_deleted": True},
        "teams.list_members": {"role": "viewer"},
        "users.list_users": {"team_id": keys.team_id, "is_active": False},
        "projects.list_projects": {
            "team_id": keys.team_id,
            "cloud_provider_id": keys.team_id,
            "repo_url": "https://git.example/acme/app-7",
            "is_active": True,
        },
        "cloud_providers.list_cloud_providers": {"team_id": keys.team_id, "provider_type": "aws", "is_active": True},
        "environments.list_environments": {
            "team_id": keys.team_id,
            "project_id": keys.project_id,
            "pr_number": keys.pr_number,
            "branch_name": keys.branch_name,
            "statuses": {"building", "failed"},
            "live_only": True,
        },
        "secrets.list_secrets": {"scope": "backend", "secret_type": "file"},
        "audit.list_audit_logs": {
            "team_id": keys.team_id,
            "project_id": keys.project_id,
            "actor_id": keys.actor_id,
            "actor_service": "reaper",
            "action": "user.upsert",
            "resource_type": "environment",
            "resource_id": keys.resource_id,
            "request_id": keys.request_id,
            "since": keys.logged,
            "until": datetime.now(UTC),
        },
    }
    return filters[name]


def _of_team(column: Any) -> Visible:
    return lambda keys, _: access.in_team_of(column, keys.user_id, ROLES)


def _of_project(keys: Keys, _: Filters) -> ColumnElement[bool]:
    return access.in_project_where(Environment.project_id, access.in_team_of(Project.team_id, keys.user_id, ROLES))


def _acquainted(keys: Keys, filters: Filters) -> ColumnElement[bool]:
    is_self_or_teammate = access.is_self_or_teammate(keys.user_id)
    return (
        and_(is_self_or_teammate, access.is_member(keys.user_id, keys.team_id))
        if "team_id" in filters
        else is_self_or_teammate
    )


_VISIBLE: dict[str, tuple[Callable[..., Any], type[Any], Visible]] = {
    "teams.list_teams": (teams.list_teams, TeamFilter, _of_team(Team.id)),
    "users.list_users": (users.list_users, UserFilter, _acquainted),
    "projects.list_projects": (projects.list_projects, ProjectFilter, _of_team(Project.team_id)),
    "cloud_providers.list_cloud_providers": (
        cloud_providers.list_cloud_providers,
        ProviderFilter,
        _of_team(CloudProvider.team_id),
    ),
    "environments.list_environments": (environments.list_environments, EnvironmentFilter, _of_project),
    "audit.list_audit_logs": (audit.list_audit_logs, AuditLogFilter, _of_team(AuditLog.team_id)),
}
_OF_ONE: dict[str, tuple[Callable[..., Any], type[Any], str]] = {
    "teams.list_members": (teams.list_members, MemberFilter, "team_id"),
    "secrets.list_secrets": (stored_secrets.list_secrets, SecretFilter, "project_id"),
}

LISTS = (*_VISIBLE, *_OF_ONE)


def cases(name: str, keys: Keys) -> Iterator[tuple[str, Case]]:
    """Yield every case of a list with its label, such as `role, later, acting`."""
    for (label, filters), place in product(_combined(_filters(name, keys)), ("first", "later")):
        page = Page(PAGE_SIZE, keys.later if place == "later" else None)
        if name in _OF_ONE:
            yield f"{label}, {place}", _of_one(name, filters, page)
        else:
            yield f"{label}, {place}", _visible(name, filters, page, is_acting=False)
            yield f"{label}, {place}, acting", _visible(name, filters, page, is_acting=True)


def _combined(filters: Filters) -> Iterator[tuple[str, Filters]]:
    for count in range(3):
        for names in combinations(filters, count):
            yield " and ".join(names) or "all", {name: filters[name] for name in names}


def _visible(name: str, filters: Filters, page: Page, *, is_acting: bool) -> Case:
    function, wanted, visible = _VISIBLE[name]

    def case(session: RecordingSession, keys: Keys) -> Any:
        return function(session, wanted(**filters), page, visible(keys, filters) if is_acting else true())

    return case


def _of_one(name: str, filters: Filters, page: Page) -> Case:
    function, wanted, owner = _OF_ONE[name]

    def case(session: RecordingSession, keys: Keys) -> Any:
        return function(session, wanted(**{owner: getattr(keys, owner)}, **filters), page)

    return case
