"""What the generator of the client makes of a contract, of this one and of those to come."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from tests.support.client.generated import note_client
from tests.support.methods import SERVICES
from tools.client.methods import ASYNC, method_source
from tools.client.names import attribute, class_name, method_names

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

NOTE_CLIENT = note_client()
NAMES = {service.name: method_names(service) for service in SERVICES}


def make_service(name: str, *rpcs: str, field: str = "id") -> ServiceDescriptor:
    file = FileDescriptorProto(name=f"stagely/v1/{name.lower()}.proto", package="stagely.v1", syntax="proto3")
    made = file.service.add(name=name)
    for rpc in rpcs:
        request, response = file.message_type.add(name=f"{rpc}Request"), file.message_type.add(name=f"{rpc}Response")
        request.field.add(name=field, number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
        made.method.add(
            name=rpc,
            input_type=f".stagely.v1.{request.name}",
            output_type=f".stagely.v1.{response.name}",
        )
    pool = DescriptorPool()
    pool.Add(file)
    service: ServiceDescriptor = pool.FindServiceByName(f"stagely.v1.{name}")
    return service


@pytest.mark.parametrize(
    ("service", "rpc", "name"),
    [
        ("TeamService", "CreateTeam", "create"),
        ("TeamService", "ListTeams", "list"),
        ("TeamService", "AddTeamMember", "add_member"),
        ("TeamService", "ListTeamMembers", "list_members"),
        ("UserService", "UpsertUser", "upsert"),
        ("CloudProviderService", "GetCloudProvider", "get"),
        ("CloudProviderService", "AccessCloudProviderCredentials", "access_credentials"),
        ("EnvironmentService", "EnsureEnvironment", "ensure"),
        ("SecretService", "AccessSecret", "access"),
        ("SecretService", "ResolveSecrets", "resolve"),
        ("AuditService", "ListAuditLogs", "list_logs"),
        ("CryptoService", "GenerateKey", "generate_key"),
        ("IdService", "GenerateId", "generate"),
        ("IdService", "GenerateIds", "generate_many"),
    ],
)
def test_method_is_named_by_its_verb_without_the_resource(service: str, rpc: str, name: str) -> None:
    assert NAMES[service][rpc] == name


def test_python_keyword_gets_an_underscore() -> None:
    assert method_names(make_service("SecretService", "ImportSecrets")) == {"ImportSecrets": "import_"}


def test_rpcs_with_the_same_method_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^TeamService: several RPCs would be named get$"):
        method_names(make_service("TeamService", "GetTeam", "Get"))


@pytest.mark.parametrize(
    ("service", "name", "kind"),
    [
        ("CloudProviderService", "cloud_providers", "CloudProviders"),
        ("CryptoService", "crypto", "Crypto"),
        ("AuditService", "audit", "Audit"),
        ("WorkflowService", "workflows", "Workflows"),
    ],
)
def test_service_is_named_by_the_plural_of_its_resource(service: str, name: str, kind: str) -> None:
    made = make_service(service, "Get")

    assert (attribute(made), class_name(made)) == (name, kind)


@pytest.mark.parametrize(
    ("name", "arguments", "call"),
    [
        ("watch", ["topic", "request_id", "resume_token"], "resumable_stream"),
        ("tail", ["topic", "after_line_number"], "resumable_stream"),
        ("listen", ["topic"], "stream"),
        ("upload", ["requests"], "send"),
        ("exchange", ["requests"], "exchange"),
    ],
)
@pytest.mark.parametrize("client", ["Notes", "SyncNotes"])
def test_every_kind_of_stream_is_a_method(client: str, name: str, arguments: list[str], call: str) -> None:
    method = getattr(getattr(NOTE_CLIENT, client), name)

    assert list(inspect.signature(method).parameters) == ["self", *arguments, "timeout"]
    assert call in method.__code__.co_names
    assert inspect.iscoroutinefunction(method) == ((client, name) == ("Notes", "upload"))


def test_field_with_the_name_of_an_argument_of_the_client_is_refused() -> None:
    (method,) = make_service("BuildService", "RunBuild", field="timeout").methods

    with pytest.raises(
        ValueError, match=r"RunBuildRequest\.timeout: client methods already have an argument 'timeout'"
    ):
        method_source(method, "run", {method.full_name: ""}, ASYNC)
