from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from stagely_rpc.server import services as composition_root
from tests.support.methods import FILES, LISTS, METHODS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, ServiceDescriptor

    from tests.support.methods import Method

PROTOS = Path(__file__).resolve().parents[2] / "protos"
GOOGLE_PROTOS = Path(protoc.__file__).parent / "_proto"

CANONICAL_CODES = {code.name for code in grpc.StatusCode}

every_method = pytest.mark.parametrize("method", METHODS, ids=str)


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The comment above each RPC in its proto."""
    compiled = tmp_path_factory.mktemp("contract") / "contract.binpb"
    sources = sorted(str(path) for path in PROTOS.rglob("*.proto"))
    options = [f"-I{PROTOS}", f"-I{GOOGLE_PROTOS}", "--include_source_info", f"--descriptor_set_out={compiled}"]
    assert protoc.main(["protoc", *options, *sources]) == 0
    files = FileDescriptorSet.FromString(compiled.read_bytes()).file
    return {name: comment for file in files for name, comment in _comments(file)}


def _comments(file: Any) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        # `method` is field 2 of a service, and `service` field 6 of a file (descriptor.proto).
        match list(location.path):
            case [6, service, 2, method]:
                found = file.service[service]
                yield f"{found.name}.{found.method[method].name}", location.leading_comments.strip()


def codes_of(comment: str) -> dict[str, str]:
    """Return the codes that a comment lists, with the condition of each."""
    _, _, listed = comment.partition("\n Codes:\n")
    return {code: when.strip() for code, when in re.findall(r"^ - (\S+?):(.*)$", listed, re.MULTILINE)}


@every_method
def test_comment_says_what_the_rpc_does(comments: dict[str, str], method: Method) -> None:
    name = method.name.rpartition(".")[2]

    assert re.match(rf"{name} [a-z]+s .+\.", comments[method.name], re.DOTALL)


@every_method
def test_each_listed_code_exists_and_has_a_condition(comments: dict[str, str], method: Method) -> None:
    comment = comments[method.name]
    bullets = [line for line in comment.splitlines() if re.match(r" - [A-Z_]{2,}\b", line)]

    assert ("Codes:" in comment) == bool(bullets)
    assert len(codes_of(comment)) == len(bullets)
    assert set(codes_of(comment)) <= CANONICAL_CODES
    assert all(codes_of(comment).values())


@every_method
def test_not_found_and_stale_etags_are_listed(comments: dict[str, str], method: Method) -> None:
    """An RPC that names a resource can fail with NOT_FOUND. One that takes an etag can fail with ABORTED."""
    fields = method.input.fields_by_name
    codes = codes_of(comments[method.name])

    assert "NOT_FOUND" in codes or not _names_a_resource(method)
    assert "ABORTED" in codes or "etag" not in fields


def _names_a_resource(method: Method) -> bool:
    request = method.input
    required = {field.name for field in request.fields if not field.has_presence}
    return "key" in request.oneofs_by_name or any(
        name == "id" or (name.endswith("_id") and name != "request_id") for name in required
    )


@every_method
def test_requests_and_responses_are_named_after_their_rpc(method: Method) -> None:
    name = method.name.rpartition(".")[2]

    assert method.input.name == f"{name}Request"
    assert method.output.name == f"{name}Response"


@pytest.mark.parametrize("method", LISTS, ids=str)
def test_list_is_paged(method: Method) -> None:
    request, response = method.input.fields_by_name, method.output.fields_by_name

    assert request["page_size"].type == request["page_size"].TYPE_INT32
    assert request["page_token"].type == response["next_page_token"].type == request["page_token"].TYPE_STRING
    assert [field.is_repeated for field in response.values()] == [True, False]


def test_every_list_rpc_is_paged() -> None:
    assert {method.name for method in METHODS if ".List" in method.name} == {method.name for method in LISTS}


def messages(file: FileDescriptor) -> list[Descriptor]:
    return list(file.message_types_by_name.values())


@pytest.mark.parametrize("enum", [e for file in FILES for e in file.enum_types_by_name.values()], ids=lambda e: e.name)
def test_enum_value_zero_is_unspecified(enum: EnumDescriptor) -> None:
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()

    assert enum.values_by_number[0].name == f"{prefix}_UNSPECIFIED"
    assert all(value.name.startswith(f"{prefix}_") for value in enum.values)


@pytest.mark.parametrize("method", [method for method in METHODS if ".Update" in method.name], ids=str)
def test_updatable_resource_has_an_etag(method: Method) -> None:
    (resource,) = method.output.fields

    assert "etag" in method.input.fields_by_name
    assert resource.message_type is not None
    assert "etag" in resource.message_type.fields_by_name


def test_ids_are_strings_and_times_are_timestamps() -> None:
    fields = [field for file in FILES for message in messages(file) for field in message.fields]
    ids = [field for field in fields if field.name == "id" or field.name.endswith("_id")]
    times = [field for field in fields if field.name.endswith("_at")]

    assert {field.type for field in ids} == {ids[0].TYPE_STRING}
    assert {field.message_type and field.message_type.full_name for field in times} == {"google.protobuf.Timestamp"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_every_rpc_is_implemented(service: ServiceDescriptor) -> None:
    (servicer,) = (
        kind
        for _, kind in inspect.getmembers(composition_root, inspect.isclass)
        if f"{service.name}Servicer" in {base.__name__ for base in kind.__mro__}
    )
    (generated,) = (base for base in servicer.__mro__ if base.__name__ == f"{service.name}Servicer")

    for method in service.methods:
        is_right_kind = inspect.isasyncgenfunction if method.server_streaming else inspect.iscoroutinefunction
        assert is_right_kind(getattr(servicer, method.name))
        assert getattr(servicer, method.name) is not getattr(generated, method.name)
