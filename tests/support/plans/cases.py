"""Cases for every statement except those of lists, by the name of their function, such as `access.lock_team`."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagely_rpc.access import ResourceRef
from stagely_rpc.access import queries as access
from stagely_rpc.audit import queries as audit
from stagely_rpc.audit.chain import NO_TEAM, Link, Seal, SealableRow
from stagely_rpc.call import Call, Caller, IdempotentRequest, Permissions
from stagely_rpc.cloud_providers import queries as cloud_providers
from stagely_rpc.crypto import queries as crypto
from stagely_rpc.db import audit_entries, idempotency
from stagely_rpc.db.models import CloudProvider, Environment, Project, Secret, Team
from stagely_rpc.db.models.rows import (
    CloudProviderRow,
    EnvironmentRow,
    ProjectRow,
    SecretRow,
    TeamMemberRow,
    TeamRow,
    UserRow,
)
from stagely_rpc.db.sql import rows
from stagely_rpc.environments import queries as environments
from stagely_rpc.projects import queries as projects
from stagely_rpc.quotas import queries as quotas
from stagely_rpc.secrets import queries as stored_secrets
from stagely_rpc.secrets.inputs import SecretKey, SecretName, ServiceScope
from stagely_rpc.teams import queries as teams
from stagely_rpc.users import queries as users
from stagely_rpc.users.inputs import UserLogin

if TYPE_CHECKING:
    from stagely_rpc.db.batching.point_read import PointRead
    from stagely_rpc.db.sql.statement import Query
    from tests.support.plans.recording import RecordingSession
    from tests.support.plans.world import Keys

Case = Callable[["RecordingSession", "Keys"], "Query[Any] | Awaitable[Any]"]
"""A function that returns a query, or sends statements with the session."""

BATCH = 16

_OWNED = {
    Team: "team_id",
    Project: "project_id",
    CloudProvider: "team_id",
    Environment: "environment_id",
    Secret: "secret_id",
}


def by_key(point: PointRead[Any], *names: str) -> list[Case]:
    """Return the cases of a point read: one existing key, and a batch of missing keys."""

    def one(_: RecordingSession, keys: Keys) -> Query[Any]:
        return _of_keys(point, [tuple(getattr(keys, name) for name in names)])

    def many(_: RecordingSession, keys: Keys) -> Query[Any]:
        absent = [tuple(_another(getattr(keys, name)) for name in names) for _ in range(BATCH)]
        return _of_keys(point, absent)

    return [one, many]


def _of_keys(point: PointRead[Any], keys: list[tuple[Any, ...]]) -> Query[Any]:
    return point.query(keys)


def _another(value: object) -> object:
    if isinstance(value, uuid.UUID):
        return uuid.uuid4()
    return secrets.randbelow(1000) + 1_000_000 if isinstance(value, int) else secrets.token_hex(6)


def by_resource(query: Callable[[ResourceRef, Keys], Query[Any]], *models: type[Any]) -> list[Case]:
    """Return the cases of a query for a resource of a team: one for each resource type."""

    def case(model: type[Any]) -> Case:
        return lambda _, keys: query(ResourceRef(model, getattr(keys, _OWNED[model])), keys)

    return [case(model) for model in models or _OWNED]


def sealable(keys: Keys) -> SealableRow:
    none = dict.fromkeys(audit.SEALABLE_COLUMNS)
    return SealableRow(**{**none, "id": keys.audit_log_id, "timestamp": keys.logged})  # type: ignore[arg-type]


def _call(keys: Keys) -> Call:
    return Call(
        method="/stagely.v1.TeamService/UpdateTeam",
        peer="unix:",
        request_id="r",
        caller=Caller("api", Permissions(frozenset())),
        idempotent_request=IdempotentRequest(keys.claimed_id, bytes(32)),
    )


def _login(keys: Keys) -> UserLogin:
    return UserLogin(email="user-7@people.example", name="Ada", github_id="7", google_id=str(keys.user_id))


def _entry(keys: Keys) -> audit_entries.Entry:
    return audit_entries.Entry(
        action="team.update", resource_type="team", resource_id=keys.team_id, team_id=keys.team_id
    )


_NEW_SECRET = {"key": "NEW", "encrypted_value": ""}


def _insertion(keys: Keys) -> Query[Any]:
    row = rows.new_row(SecretRow, {"project_id": keys.project_id, **_NEW_SECRET}, datetime.now(UTC))
    statement, parameters = rows.insertion(row)
    return statement.all(**parameters)


_STORE = idempotency.IdempotencyStore(bytes(32), 60)
_LINK = Link(1_000_000, bytes(32))

CASES: dict[str, list[Case]] = {
    "access.USER": by_key(access.USER, "user_id"),
    "access.ROLE": by_key(access.ROLE, "team_id", "user_id"),
    "access.TEAM_OF_PROJECT": by_key(access.TEAM_OF_PROJECT, "project_id"),
    "access.TEAMMATES": by_key(access.TEAMMATES, "user_id", "actor_id"),
    "access.get_team_id": by_resource(lambda resource_ref, _: access.get_team_id(resource_ref)),
    "access.get_role": by_resource(lambda resource_ref, keys: access.get_role(resource_ref, keys.user_id)),
    "access.lock_team": [
        *by_resource(lambda resource_ref, _: access.lock_team(resource_ref, exclusively=True)),
        *by_resource(lambda resource_ref, _: access.lock_team(resource_ref, exclusively=False)),
    ],
    "teams.TEAM_BY_ID": by_key(teams.TEAM_BY_ID, "team_id"),
    "teams.TEAM_BY_SLUG": by_key(teams.TEAM_BY_SLUG, "subdomain_hash"),
    "quotas.count_live_environments_of_team": by_resource(
        lambda resource_ref, _: quotas.count_live_environments_of_team(resource_ref)
    ),
    "quotas.count_live_environments_of_project": [
        lambda _, keys: quotas.count_live_environments_of_project(keys.project_id)
    ],
    "teams.get_member": [lambda _, keys: teams.get_member(keys.team_id, keys.user_id)],
    "teams.count_owners": [lambda _, keys: teams.count_owners(keys.team_id)],
    "users.USER_BY[id]": by_key(users.USER_BY["id"], "user_id"),
    "users.USER_BY[email]": by_key(users.USER_BY["email"], "subdomain_hash"),
    "users.USER_BY[github_id]": by_key(users.USER_BY["github_id"], "subdomain_hash"),
    "users.USER_BY[google_id]": by_key(users.USER_BY["google_id"], "subdomain_hash"),
    "users.get_user": [lambda _, keys: users.get_user(keys.user_id)],
    "users.lock_user": [lambda _, keys: users.lock_user(keys.user_id)],
    "users.lock_candidates": [lambda _, keys: users.lock_candidates(_login(keys))],
    "projects.PROJECT_BY_ID": by_key(projects.PROJECT_BY_ID, "project_id"),
    "projects.PROJECT_BY_SLUG": by_key(projects.PROJECT_BY_SLUG, "team_id", "subdomain_hash"),
    "projects.lock_project_for_share": [lambda _, keys: projects.lock_project_for_share(keys.project_id)],
    "projects.lock_project": [
        lambda _, keys: projects.lock_project(keys.project_id),
        lambda _, keys: projects.lock_project(keys.project_id, to_delete=True),
    ],
    "cloud_providers.PROVIDER_BY_ID": by_key(cloud_providers.PROVIDER_BY_ID, "team_id"),
    "cloud_providers.PROVIDER_BY_NAME": by_key(cloud_providers.PROVIDER_BY_NAME, "team_id", "subdomain_hash"),
    "cloud_providers.CREDENTIALS": by_key(cloud_providers.CREDENTIALS, "team_id"),
    "cloud_providers.get_cloud_provider": [lambda _, keys: cloud_providers.get_cloud_provider(keys.team_id)],
    "cloud_providers.lock_cloud_provider": [
        lambda _, keys: cloud_providers.lock_cloud_provider(keys.team_id),
        lambda _, keys: cloud_providers.lock_cloud_provider(keys.team_id, to_delete=True),
    ],
    "cloud_providers.count_projects": [lambda _, keys: cloud_providers.count_projects(keys.team_id)],
    "environments.ENVIRONMENT_BY_ID": by_key(environments.ENVIRONMENT_BY_ID, "environment_id"),
    "environments.ENVIRONMENT_BY_SUBDOMAIN": by_key(environments.ENVIRONMENT_BY_SUBDOMAIN, "subdomain_hash"),
    "environments.OPEN_ENVIRONMENT": by_key(environments.OPEN_ENVIRONMENT, "project_id", "pr_number"),
    "environments.lock_environment": [lambda _, keys: environments.lock_environment(keys.environment_id)],
    "environments.lock_open_environment": [
        lambda _, keys: environments.lock_open_environment(keys.project_id, keys.pr_number)
    ],
    "environments.lock_project_for_share": [lambda _, keys: environments.lock_project_for_share(keys.environment_id)],
    "secrets.SECRET_BY_ID": by_key(stored_secrets.SECRET_BY_ID, "secret_id"),
    "secrets.SECRET_BY_NAME": by_key(stored_secrets.SECRET_BY_NAME, "project_id", "secret_key", "secret_key"),
    "secrets.lock_secret": [
        lambda _, keys: stored_secrets.lock_secret(SecretKey(id=keys.secret_id)),
        lambda _, keys: stored_secrets.lock_secret(
            SecretKey(name=SecretName(project_id=keys.project_id, key=keys.secret_key))
        ),
    ],
    "secrets.list_candidates": [
        lambda _, keys: stored_secrets.list_candidates(ServiceScope(project_id=keys.project_id, scope="backend"))
    ],
    "crypto.DATA_KEY": by_key(crypto.DATA_KEY, "secret_id"),
    "crypto.get_active_data_key": by_resource(lambda resource_ref, _: crypto.get_active_data_key(resource_ref)),
    "crypto.add_data_key": [
        lambda _, keys: crypto.add_data_key(
            id=uuid.uuid4(), team_id=keys.team_id, key_encryption_key_id="k", wrapped_key="w"
        )
    ],
    "crypto.list_other_key_encryption_key_ids": [
        lambda session, _: crypto.list_other_key_encryption_key_ids(session, "another"),
    ],
    "audit.claim_sealing": [lambda session, _: audit.claim_sealing(session)],
    "audit.get_lag_seconds": [lambda session, _: audit.get_lag_seconds(session)],
    "audit.list_unsealed": [
        lambda session, _: audit.list_unsealed(session, 500, []),
        lambda session, keys: audit.list_unsealed(session, 500, [keys.team_id]),
    ],
    "audit.get_chain_ends": [lambda session, keys: audit.get_chain_ends(session, [keys.team_id, NO_TEAM])],
    "audit.add_seals": [
        lambda session, keys: audit.add_seals(session, [Seal(keys.team_id, uuid.uuid4(), bytes(32), _LINK)])
    ],
    "audit.put_heads": [lambda session, keys: audit.put_heads(session, [(keys.team_id, _LINK, bytes(32))])],
    "audit.remove_unsealed": [lambda session, keys: audit.remove_unsealed(session, [sealable(keys)] * 500)],
    "audit.get_links": [lambda session, _: audit.get_links(session, [uuid.uuid4() for _ in range(50)])],
    "audit.list_sealed": [lambda session, keys: audit.list_sealed(session, keys.team_id, 100, 1_000_000, 500)],
    "audit.is_sealed": [lambda session, _: audit.is_sealed(session, bytes(32))],
    "audit.list_row_states": [
        lambda session, keys: audit.list_row_states(session, keys.team_id, None, 500),
        lambda session, keys: audit.list_row_states(session, keys.team_id, keys.later, 500),
        lambda session, keys: audit.list_row_states(session, NO_TEAM, keys.later, 500),
    ],
    "idempotency.delete_expired": [lambda session, _: idempotency.delete_expired(session, 500)],
    "idempotency.claim": [lambda _, keys: _STORE.claim(_call(keys))],
    "idempotency.find": [lambda _, keys: _STORE.find(_call(keys))],
    "idempotency.save": [lambda _, keys: _STORE.save(_call(keys), b"answer")],
    "audit_entries.append_query": [lambda _, keys: audit_entries.append_query([_entry(keys)])],
    "rows.insertion": [lambda _, keys: _insertion(keys)],
    "rows.returning_insertion": [
        lambda _, keys: rows.returning_insertion(SecretRow, frozenset(_NEW_SECRET) | {"project_id"}).all(
            project_id=keys.project_id, **_NEW_SECRET
        )
    ],
    "rows.change": [
        lambda _, keys: rows.change(EnvironmentRow, frozenset({"vm_id"})).all(key_id=keys.environment_id, vm_id="i-1"),
        lambda _, keys: rows.change(TeamRow, frozenset({"name"})).all(key_id=keys.team_id, name="Acme"),
        lambda _, keys: rows.change(UserRow, frozenset({"name"})).all(key_id=keys.user_id, name="Ada"),
    ],
    "rows.deletion": [
        lambda _, keys: rows.deletion(SecretRow).all(key_id=keys.secret_id),
        lambda _, keys: rows.deletion(ProjectRow).all(key_id=keys.project_id),
        lambda _, keys: rows.deletion(CloudProviderRow).all(key_id=keys.team_id),
        lambda _, keys: rows.deletion(TeamMemberRow).all(key_id=keys.user_id),
    ],
}
