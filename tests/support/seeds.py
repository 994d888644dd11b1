"""Valid requests of each RPC. Across the variants of an RPC, every field is set. Bad requests are mutations of them.

They are protobuf JSON with placeholders. `{team.id}` and similar ones come from a `World`. `{fresh}` and `{number}` are
new in each request, for unique values such as slugs.
"""

from __future__ import annotations

import base64
import itertools
import uuid
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.json_format import ParseDict

from tests.support.methods import METHOD
from tests.support.secret_markers import marked_key

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.world import World

SECRET_MARKER = marked_key("seed")
"""The value of every sensitive field. No error may contain it. It has 32 bytes, so that it can be a key."""

_NONCE = bytes(12)
_ASSOCIATED_DATA = b"secrets.value"
_CONSTANTS = {
    "marker": SECRET_MARKER.decode(),
    "marker_base64": base64.b64encode(SECRET_MARKER).decode(),
    "ciphertext": base64.b64encode(
        _NONCE + AESGCM(SECRET_MARKER).encrypt(_NONCE, SECRET_MARKER, _ASSOCIATED_DATA)
    ).decode(),
    "hash_base64": base64.b64encode(bytes(32)).decode(),
    "associated_data_base64": base64.b64encode(_ASSOCIATED_DATA).decode(),
}
_numbers = itertools.count(1)

_TEAM = {
    "name": "Web",
    "billing_email": "pay@example.com",
    "billing_plan": "BILLING_PLAN_PRO",
    "max_concurrent_stagelets": 100_000,
    "max_concurrent_builds": 100_000,
}
_TEAM_TARGET = {"id": "{team.id}", "etag": "{team.etag}"}
_MEMBER = {"team_id": "{team.id}", "user_id": "{user.id}"}
_USER = {"name": "Ada", "avatar_url": "https://example.com/ada.png"}
_PROVIDER = {
    "name": "hetzner-{fresh}",
    "region": "fsn1",
    "config": {"size": "cx22"},
    "credentials": {"token": "{marker}"},
}
_PROVIDER_FILTER = {"provider_type": "CLOUD_PROVIDER_TYPE_HETZNER", "is_active": True}
_PROJECT = {
    "name": "Shop",
    "repo_url": "https://github.com/pallets/flask",
    "repo_provider": "REPO_PROVIDER_GITHUB",
    "default_branch": "main",
    "cloud_provider_id": "{provider.id}",
    "default_preview_size": "PREVIEW_SIZE_LARGE",
    "config": {"compose": {"file": "compose.yaml"}},
}
_PROJECT_FILTER = {"repo_url": _PROJECT["repo_url"], "cloud_provider_id": "{provider.id}", "is_active": True}
_HEAD = {"branch_name": "feature/login", "commit_hash": "0123456789abcdef0123456789abcdef01234567"}
_PULL_REQUEST = {"project_id": "{project.id}", "pr_number": "{environment.pr_number}"}
_ENVIRONMENT = {
    "vm_id": "vm-1",
    "vm_ip": "203.0.113.7",
    "vm_status": "VM_STATUS_RUNNING",
    "commit_hash": _HEAD["commit_hash"],
    "estimated_cost_usd_micros": 100,
}
_ENVIRONMENT_TARGET = {"id": "{environment.id}", "etag": "{environment.etag}"}
_ENVIRONMENT_FILTER = {
    "statuses": ["ENVIRONMENT_STATUS_PENDING", "ENVIRONMENT_STATUS_FAILED"],
    "pr_number": 7,
    "branch_name": "feature/login",
    "live_only": True,
}
_SECRET_NAME = {"project_id": "{project.id}", "key": "{secret.key}", "scope": "global"}
_SECRET_FILTER = {"scope": "global", "secret_type": "SECRET_TYPE_ENV"}
_ENV_SECRET = _SECRET_FILTER | {"key": "TOKEN_{fresh}", "value": "{marker_base64}", "created_by": "{user.id}"}
_FILE_SECRET = {
    "key": "key.pem",
    "scope": "api",
    "secret_type": "SECRET_TYPE_FILE",
    "value": "{marker_base64}",
    "file_path": "/run/key.pem",
    "file_permissions": "0400",
}

_AUDIT_FILTER = {
    "project_id": "{project.id}",
    "actor_id": "{user.id}",
    "actor_service": "api",
    "action": "secret.set",
    "resource_type": "AUDIT_RESOURCE_TYPE_SECRET",
    "resource_id": "{secret.id}",
    "request_id": "r-1",
    "since": "2026-01-01T00:00:00Z",
    "until": "2046-01-01T00:00:00Z",
}

SEEDS: dict[str, tuple[dict[str, Any], ...]] = {
    "TeamService.CreateTeam": ({"slug": "team-{fresh}", **_TEAM},),
    "TeamService.GetTeam": ({"id": "{team.id}"}, {"slug": "{team.slug}"}),
    "TeamService.ListTeams": (
        {"page_size": 2, "show_deleted": True, "user_id": "{user.id}", "billing_plan": "BILLING_PLAN_PRO"},
    ),
    "TeamService.UpdateTeam": ({"id": "{team.id}", "update_mask": "*", **_TEAM},),
    "TeamService.DeleteTeam": ({**_TEAM_TARGET, "force": True},),
    "TeamService.UndeleteTeam": (_TEAM_TARGET,),
    "TeamService.AddTeamMember": ({**_MEMBER, "role": "TEAM_ROLE_OWNER"},),
    "TeamService.UpdateTeamMember": ({**_MEMBER, "role": "TEAM_ROLE_ADMIN"},),
    "TeamService.RemoveTeamMember": (_MEMBER,),
    "TeamService.ListTeamMembers": ({"team_id": "{team.id}", "page_size": 2, "role": "TEAM_ROLE_MEMBER"},),
    "UserService.UpsertUser": (
        {
            "email": "ada-{fresh}@example.com",
            "github_id": "github-{fresh}",
            "google_id": "google-{fresh}",
            "email_verified": True,
            **_USER,
        },
    ),
    "UserService.GetUser": (
        {"id": "{user.id}"},
        {"email": "{user.email}"},
        {"github_id": "{user.github_id}"},
        {"google_id": "{user.google_id}"},
    ),
    "UserService.ListUsers": ({"page_size": 2, "is_active": True, "team_id": "{team.id}"},),
    "UserService.UpdateUser": ({"id": "{user.id}", "update_mask": "*", "is_active": True, **_USER},),
    "UserService.DeactivateUser": ({"id": "{user.id}", "etag": "{user.etag}"},),
    "CloudProviderService.CreateCloudProvider": (
        {"team_id": "{team.id}", "provider_type": "CLOUD_PROVIDER_TYPE_HETZNER", **_PROVIDER},
    ),
    "CloudProviderService.GetCloudProvider": (
        {"id": "{provider.id}"},
        {"team_name": {"team_id": "{team.id}", "name": "{provider.name}"}},
    ),
    "CloudProviderService.ListCloudProviders": ({"page_size": 2, "team_id": "{team.id}", **_PROVIDER_FILTER},),
    "CloudProviderService.UpdateCloudProvider": (
        {"id": "{provider.id}", "update_mask": "*", "is_active": True, **_PROVIDER},
    ),
    "CloudProviderService.DeleteCloudProvider": ({"id": "{provider.id}", "etag": "{provider.etag}", "force": True},),
    "CloudProviderService.AccessCloudProviderCredentials": ({"id": "{provider.id}"},),
    "CloudProviderService.RecordCloudProviderValidation": (
        {"id": "{provider.id}", "etag": "{provider.etag}", "validation_error": "refused\nby the cloud"},
    ),
    "ProjectService.CreateProject": ({"team_id": "{team.id}", "slug": "shop-{fresh}", **_PROJECT},),
    "ProjectService.GetProject": (
        {"id": "{project.id}"},
        {"team_slug": {"team_id": "{team.id}", "slug": "{project.slug}"}},
    ),
    "ProjectService.ListProjects": ({"page_size": 2, "team_id": "{team.id}", **_PROJECT_FILTER},),
    "ProjectService.UpdateProject": ({"id": "{project.id}", "update_mask": "*", "is_active": True, **_PROJECT},),
    "ProjectService.DeleteProject": ({"id": "{project.id}", "etag": "{project.etag}", "force": True},),
    "EnvironmentService.CreateEnvironment": ({"project_id": "{project.id}", "pr_number": "{number}", **_HEAD},),
    "EnvironmentService.EnsureEnvironment": ({"project_id": "{project.id}", "pr_number": 1_000_000, **_HEAD},),
    "EnvironmentService.GetEnvironment": (
        {"id": "{environment.id}"},
        {"subdomain_hash": "{environment.subdomain_hash}"},
        {"pull_request": _PULL_REQUEST},
    ),
    "EnvironmentService.ListEnvironments": (
        {"page_size": 2, "project_id": "{project.id}", "team_id": "{team.id}", **_ENVIRONMENT_FILTER},
    ),
    "EnvironmentService.UpdateEnvironment": ({"id": "{environment.id}", "update_mask": "*", **_ENVIRONMENT},),
    "EnvironmentService.TransitionEnvironment": ({**_ENVIRONMENT_TARGET, "status": "ENVIRONMENT_STATUS_BUILDING"},),
    "EnvironmentService.TerminateEnvironment": (_ENVIRONMENT_TARGET,),
    "SecretService.SetSecret": (
        {"project_id": "{project.id}", **_ENV_SECRET},
        {"project_id": "{project.id}", **_FILE_SECRET},
    ),
    "SecretService.GetSecret": ({"id": "{secret.id}"}, {"name": _SECRET_NAME}),
    "SecretService.ListSecrets": ({"project_id": "{project.id}", "page_size": 2, **_SECRET_FILTER},),
    "SecretService.AccessSecret": ({"id": "{secret.id}"}, {"name": _SECRET_NAME}),
    "SecretService.DeleteSecret": (
        {"id": "{secret.id}", "etag": "{secret.etag}"},
        {"name": _SECRET_NAME, "etag": "{secret.etag}"},
    ),
    "SecretService.ResolveSecrets": ({"project_id": "{project.id}", "scope": "api"},),
    "CryptoService.GenerateKey": ({},),
    "CryptoService.Encrypt": (
        {"plaintext": "{marker_base64}", "key": "{marker_base64}", "associated_data": "{associated_data_base64}"},
    ),
    "CryptoService.Decrypt": (
        {"ciphertext": "{ciphertext}", "key": "{marker_base64}", "associated_data": "{associated_data_base64}"},
    ),
    "AuditService.ListAuditLogs": ({"page_size": 2, "team_id": "{team.id}", **_AUDIT_FILTER},),
    "AuditService.VerifyAuditLog": ({"team_id": "{team.id}", "anchor": {"position": 1, "hash": "{hash_base64}"}},),
    "IdService.GenerateId": ({"length": 12},),
    "IdService.GenerateIds": ({"count": 3, "length": 12},),
}
"""The variants by the name of the RPC. A oneof needs a variant for each member."""


def seed(name: str, world: World, variant: int = 0) -> Message:
    """Return a valid request of an RPC for the resources of a world, with new unique values."""
    placeholders = vars(world) | _CONSTANTS | {"fresh": uuid.uuid4().hex[:12], "number": next(_numbers)}
    given = _filled(SEEDS[name][variant], placeholders)
    if METHOD[name].changes_something:
        given["request_id"] = str(uuid.uuid4())
    return ParseDict(given, METHOD[name].request())


def _filled(value: Any, placeholders: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(nested, placeholders) for name, nested in value.items()}
    if isinstance(value, list):
        return [_filled(nested, placeholders) for nested in value]
    return value.format(**placeholders) if isinstance(value, str) else value
