"""The arguments of a client method: the fields of its request, with their types and comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor

from tools.client.names import module_of, python_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.descriptor import Descriptor, EnumDescriptor

SCALARS = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_INT32: "int",
    FieldDescriptor.CPPTYPE_INT64: "int",
    FieldDescriptor.CPPTYPE_UINT32: "int",
    FieldDescriptor.CPPTYPE_UINT64: "int",
}
WELL_KNOWN = {
    "google.protobuf.Struct": "struct_pb2.Struct | Mapping[str, object]",
    "google.protobuf.Timestamp": "timestamp_pb2.Timestamp | datetime",
    "google.protobuf.Duration": "duration_pb2.Duration | timedelta",
}
MASK = "update_mask"
TAKEN = {"self", "timeout"}


@dataclass(frozen=True)
class Argument:
    """One field of a request.

    Attributes:
        field: its name in the contract.
        name: its name in Python.
        type: its type in Python.
        comment: its comment in the contract.
        required: whether it must be given.
        change: whether an update may change it.
    """

    field: str
    name: str
    type: str
    comment: str
    required: bool
    change: bool

    def declaration(self) -> str:
        """Return the argument's source in the signature."""
        if self.change:
            return f"{self.name}: {self.type} | None | Unset = UNSET"
        return f"{self.name}: {self.type}" if self.required else f"{self.name}: {self.type} | None = None"


def arguments_of(request: Descriptor, comments: Mapping[str, str]) -> list[Argument]:
    """Return the arguments for a request. The update mask is not one: it follows from the given arguments."""
    mask = request.fields_by_name.get(MASK)
    arguments = []
    for field in request.fields:
        if field.name in TAKEN:
            raise ValueError(f"{field.full_name}: client methods already have an argument {field.name!r}")
        comment = " ".join(filter(None, (comments.get(field.full_name), _alternatives(field))))
        argument = Argument(
            field=field.name,
            name=python_name(field.name),
            type=type_of(field),
            comment=comment,
            # The comment says it. A member of a oneof is not required: another member can be given.
            required=comment.startswith("Required") and field.containing_oneof is None,
            change=mask is not None and _can_be_changed(field, mask),
        )
        if field is not mask:
            arguments.append(argument)
    return arguments


def _alternatives(field: FieldDescriptor) -> str:
    """Return a sentence that names the fields of the same oneof. Empty for a field without alternatives."""
    # protoc gives each `optional` field a oneof of its own.
    names = [each.name for each in field.containing_oneof.fields] if field.containing_oneof else []
    return f"Give exactly one of {', '.join(names[:-1])} and {names[-1]}." if len(names) > 1 else ""


def _can_be_changed(field: FieldDescriptor, mask: FieldDescriptor) -> bool:
    """Return whether an update can change a field. The contract puts such fields after the mask."""
    return field.number > mask.number and field.name not in {"etag", "request_id"}


def type_of(field: FieldDescriptor) -> str:
    """Return the Python type of an argument for a field."""
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        return f"Mapping[{_single(key)}, {_single(value)}]"
    return f"Iterable[{_single(field)}]" if field.is_repeated else _single(field)


def _single(field: FieldDescriptor) -> str:
    if field.type == field.TYPE_STRING:
        return "str"
    if field.type == field.TYPE_BYTES:
        return "bytes"
    if field.enum_type is not None:
        return f"{module_of(field.enum_type)}.{field.enum_type.name}.ValueType | {field.enum_type.name}Name"
    if field.message_type is None:
        return SCALARS[field.cpp_type]
    kind = field.message_type
    return WELL_KNOWN.get(kind.full_name) or f"{module_of(kind)}.{kind.name} | Mapping[str, object]"


def enums_of(request: Descriptor) -> Iterator[EnumDescriptor]:
    """Yield the enum types of a request's fields."""
    yield from (field.enum_type for field in request.fields if field.enum_type is not None)
