"""The tests' own contract, with an RPC of each kind. The service's contract does not have streams of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)
from google.protobuf.message_factory import GetMessageClass

from stagely.v1 import annotations_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor

PACKAGE = "stagely.test"
FOR_MEMBERS = annotations_pb2.Policy(permission="notes.use", role=annotations_pb2.ROLE_MEMBER)
FOR_TEAMMATES = annotations_pb2.Policy(permission="notes.use", acting_for=annotations_pb2.ACTING_FOR_TEAMMATE)
STRING, INT64 = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_INT64


def _message(name: str, **fields: FieldDescriptorProto.Type.ValueType) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        message.field.add(name=field, number=number, type=kind, label=FieldDescriptorProto.LABEL_OPTIONAL)
    return message


def _method(
    name: str,
    *,
    requests: bool = False,
    responses: bool = False,
    reads: bool = False,
    policy: annotations_pb2.Policy = FOR_MEMBERS,
) -> MethodDescriptorProto:
    method = MethodDescriptorProto(
        name=name,
        input_type=f".{PACKAGE}.{name}Request",
        output_type=f".{PACKAGE}.{name}Response",
        client_streaming=requests,
        server_streaming=responses,
    )
    method.options.Extensions[annotations_pb2.policy].CopyFrom(policy)
    if reads:
        method.options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    return method


def _file() -> FileDescriptor:
    file = FileDescriptorProto(
        name="stagely/test/note.proto",
        package=PACKAGE,
        syntax="proto3",
        dependency=["stagely/v1/annotations.proto"],
        message_type=[
            _message("GetNoteRequest", text=STRING, request_id=STRING),
            _message("GetNoteResponse", text=STRING),
            _message("WatchNotesRequest", topic=STRING, request_id=STRING, resume_token=STRING),
            _message("WatchNotesResponse", text=STRING, resume_token=STRING),
            _message("TailNotesRequest", topic=STRING, after_line_number=INT64),
            _message("TailNotesResponse", text=STRING, last_line_number=INT64),
            _message("ListenNotesRequest", topic=STRING),
            _message("ListenNotesResponse", text=STRING),
            _message("UploadNotesRequest", text=STRING, request_id=STRING),
            _message("UploadNotesResponse", text=STRING),
            _message("ExchangeNotesRequest", text=STRING, request_id=STRING),
            _message("ExchangeNotesResponse", text=STRING, resume_token=STRING),
        ],
        service=[
            ServiceDescriptorProto(
                name="NoteService",
                method=[
                    _method("GetNote"),
                    _method("WatchNotes", responses=True),
                    _method("TailNotes", responses=True, reads=True),
                    _method("ListenNotes", responses=True, reads=True, policy=FOR_TEAMMATES),
                    _method("UploadNotes", requests=True),
                    _method("ExchangeNotes", requests=True, responses=True),
                ],
            )
        ],
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


FILE = _file()
SERVICE: ServiceDescriptor = FILE.services_by_name["NoteService"]
PATHS = {method.name: f"/{SERVICE.full_name}/{method.name}" for method in SERVICE.methods}


def message_class(name: str) -> Any:
    """Return a message class of the contract."""
    return GetMessageClass(FILE.message_types_by_name[name])


def stub(channel: Any) -> Any:
    """Return a stub as in generated code: an object with a callable for each RPC."""
    made = type("NoteServiceStub", (), {})()
    for method in SERVICE.methods:
        call = getattr(channel, kind_of(method.name))
        request, response = (GetMessageClass(each) for each in (method.input_type, method.output_type))
        setattr(made, method.name, call(PATHS[method.name], request.SerializeToString, response.FromString))
    return made


def kind_of(rpc: str) -> str:
    """Return the kind of an RPC with gRPC's name, such as `unary_stream`."""
    method = SERVICE.methods_by_name[rpc]
    sides = (method.client_streaming, method.server_streaming)
    return "_".join("stream" if streams else "unary" for streams in sides)
