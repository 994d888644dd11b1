"""Makes an example of each request in protobuf's JSON: the required fields, and some instructive optional ones."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from tools.contract import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

Json = str | int | bool | list["Json"] | dict[str, "Json"]

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

# By field name, for every request in which the field is required. The ids are consistent between requests.
SAMPLES: dict[str, Json] = {
    "team_id": "6f1c1b1e-5f0b-4b57-9d53-3c1b6e0f5a01",
    "user_id": "b2f7f0c4-7a3e-4d19-8c66-1f0e9a2d7b02",
    "project_id": "0c9d8e7f-2b4a-4f63-a1d5-8e7c6b5a4d03",
    "slug": "acme",
    "name": "Acme",
    "email": "ada@example.com",
    "repo_url": "https://github.com/octocat/Hello-World",
    "pr_number": 7,
    "branch_name": "feature/login",
    "commit_hash": "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
    "key": "DATABASE_PASSWORD",
    "provider_type": "CLOUD_PROVIDER_TYPE_HETZNER",
    "credentials": {"api_token": "not-a-real-token"},
    "count": 3,
    "page_size": 20,
}
# By message and field name: fields with another meaning in this request, and optional fields to show.
SAMPLES_OF_REQUESTS: dict[str, Json] = {
    "CreateTeamRequest.billing_plan": "BILLING_PLAN_PRO",
    "UpdateTeamRequest.name": "Acme, Inc.",
    "AddTeamMemberRequest.role": "TEAM_ROLE_OWNER",
    "UpdateTeamMemberRequest.role": "TEAM_ROLE_ADMIN",
    "UpsertUserRequest.name": "Ada",
    "UpsertUserRequest.github_id": "1815",
    "UpsertUserRequest.email_verified": True,
    "ListUsersRequest.team_id": SAMPLES["team_id"],
    "UpdateUserRequest.name": "Ada Lovelace",
    "CreateProjectRequest.slug": "hello-world",
    "CreateProjectRequest.name": "Hello World",
    "CreateProjectRequest.default_branch": "master",
    "ListProjectsRequest.team_id": SAMPLES["team_id"],
    "UpdateProjectRequest.default_preview_size": "PREVIEW_SIZE_LARGE",
    "CreateCloudProviderRequest.name": "hetzner",
    "CreateCloudProviderRequest.region": "fsn1",
    "ListCloudProvidersRequest.team_id": SAMPLES["team_id"],
    "UpdateCloudProviderRequest.is_active": False,
    "RecordCloudProviderValidationRequest.validation_error": "the token has expired",
    "CreateEnvironmentRequest.pr_number": 7,
    "ListEnvironmentsRequest.project_id": SAMPLES["project_id"],
    "ListEnvironmentsRequest.live_only": True,
    "UpdateEnvironmentRequest.vm_id": "vm-1",
    "UpdateEnvironmentRequest.vm_status": "VM_STATUS_RUNNING",
    "TransitionEnvironmentRequest.status": "ENVIRONMENT_STATUS_BUILDING",
    "SetSecretRequest.value": "Y29ycmVjdCBob3JzZQ==",
    "ResolveSecretsRequest.scope": "backend",
    "ListAuditLogsRequest.team_id": SAMPLES["team_id"],
    "ListAuditLogsRequest.since": "2026-01-01T00:00:00Z",
    "VerifyAuditLogRequest.team_id": SAMPLES["team_id"],
    "EncryptRequest.plaintext": "Y29ycmVjdCBob3JzZQ==",
    "EncryptRequest.key": KEY,
    "DecryptRequest.ciphertext": "AAECAwQFBgcICQoLTorJDrx7pozAswPNFAvdd9JE3Jsw00N7+qJZ5nU=",
    "DecryptRequest.key": KEY,
    "GenerateIdRequest.length": 12,
}
IDS: dict[str, Json] = {
    "Team": SAMPLES["team_id"],
    "User": SAMPLES["user_id"],
    "Project": SAMPLES["project_id"],
    "CloudProvider": "d41e2f5a-9c38-4b7e-b0a6-5f4e3d2c1b04",
    "Environment": "e58b3a6c-1d27-4c9f-92e8-7a6b5c4d3e05",
    "Secret": "9a7c4e2b-6f85-4d1a-8b3c-2e1f0d9c8b06",
}
REQUEST_ID = "request_id"
ALWAYS = {REQUEST_ID, "page_size"}
MASK = "update_mask"


def example(request: Descriptor, comments: Mapping[str, str], noun: str) -> dict[str, Json]:
    """Return an example of a request.

    Args:
        request: the message.
        comments: the comments of the contract, which say which fields are required.
        noun: the noun of the service, such as `Team`: the type of the resource that `id` names.

    Raises:
        ValueError: a required field has no sample here.
    """
    made = {field.name: _sample(field, comments, noun) for field in _wanted(request, comments)}
    if MASK in request.fields_by_name:
        mask = request.fields_by_name[MASK].number
        fields = [request.fields_by_name[name] for name in made]
        # In JSON, a mask has lowerCamelCase names.
        made[MASK] = ",".join(field.camelcase_name for field in fields if _is_change(field, mask))
    return {field.name: made[field.name] for field in request.fields if field.name in made}


def _is_change(field: FieldDescriptor, mask: int) -> bool:
    return field.number > mask and field.name != REQUEST_ID


def _wanted(message: Descriptor, comments: Mapping[str, str]) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        if (oneof := oneof_of(field)) is not None:
            required = oneof.fields[0] is field and is_required(oneof.full_name, comments)
        else:
            required = is_required(field.full_name, comments)
        if (
            required
            or field.name in {"request_id", "page_size"}
            or f"{message.name}.{field.name}" in SAMPLES_OF_REQUESTS
        ):
            yield field


def _sample(field: FieldDescriptor, comments: Mapping[str, str], noun: str) -> Json:
    qualified = qualified_name(field)
    samples = SAMPLES | SAMPLES_OF_REQUESTS | ({"id": IDS[noun]} if noun in IDS else {})
    if field.name == REQUEST_ID:
        # A different id in each request, so that all examples can be sent to one server.
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, field.full_name))
    for name in (qualified, field.name):
        if name in samples:
            return samples[name]
    if field.message_type is not None:
        return example(field.message_type, comments, noun)
    raise ValueError(f"{qualified}: is required, but tools/reference/samples.py has no sample for it")


def is_required(name: str, comments: Mapping[str, str]) -> bool:
    """Return whether a field or a oneof is required, according to its comment. `name` is its full name."""
    return comments.get(name, "").startswith("Required.")


def oneof_of(field: FieldDescriptor) -> OneofDescriptor | None:
    """Return the oneof of a field; None for an `optional` field, whose oneof is synthetic."""
    oneof = field.containing_oneof
    return None if oneof is None or oneof.name == f"_{field.name}" else oneof


def qualified_name(field: FieldDescriptor) -> str:
    """Return the name of a field with the name of its message: `Team.slug`."""
    return field.full_name.removeprefix(f"{PACKAGE}.")
