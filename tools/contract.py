"""The compiled contract for the generators: descriptors, comments and options."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.message import Message

PACKAGE = "stagely.v1"


class Named(Protocol):
    """A member of a message, an enum or a service."""

    name: str


@dataclass(frozen=True)
class Contract:
    """The compiled contract.

    Attributes:
        files: the files of the package, by name.
        comments: the comment above the package and above each service, RPC, message, field, oneof, enum and enum value,
            by full name. The full name of an enum value includes the enum's name.
    """

    files: Sequence[FileDescriptor]
    comments: Mapping[str, str]
    _pool: DescriptorPool

    def option(self, options: Message, extension: str) -> Message | bool:
        """Return the value of a custom option, or its default if it is not set.

        Args:
            options: the options of a descriptor of this contract.
            extension: the name of the option in the package, such as `policy`.
        """
        # The options are instances of this process's classes, which do not know the extensions of the contract.
        kind = GetMessageClass(self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        known: Any = kind.FromString(options.SerializeToString())
        value: Message | bool = known.Extensions[self._pool.FindExtensionByName(f"{PACKAGE}.{extension}")]
        return value


def read_contract(compiled: bytes) -> Contract:
    """Return the contract in a serialized FileDescriptorSet, which must include imports and source info."""
    files = FileDescriptorSet.FromString(compiled).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    contract = sorted((file for file in files if file.package == PACKAGE), key=lambda file: file.name)
    comments = {name: comment for file in contract for name, comment in comments_of(file)}
    return Contract([pool.FindFileByName(file.name) for file in contract], comments, pool)


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full name and the comment of each commented element of a file."""
    for location in file.source_code_info.location:
        name = _name_at(file, list(location.path))
        if name is not None and location.leading_comments:
            comment = re.sub(r"(?m)^ ", "", location.leading_comments).strip()
            yield ".".join(filter(None, (file.package, name))), comment


def _name_at(file: FileDescriptorProto, path: list[int]) -> str | None:
    """Return the name of the element at a path, without the package. The name of the package itself is empty."""
    # Field numbers of descriptor.proto. In a file: package 2, message 4, enum 5, service 6. In these: field, value and
    # method 2, oneof 8.
    match path:
        case [2]:
            return ""
        case [4, message, *rest]:
            described = file.message_type[message]
            return _member(described.name, {2: described.field, 8: described.oneof_decl}, rest)
        case [5, enum, *rest]:
            return _member(file.enum_type[enum].name, {2: file.enum_type[enum].value}, rest)
        case [6, service, *rest]:
            return _member(file.service[service].name, {2: file.service[service].method}, rest)
    return None


def _member(name: str, members: Mapping[int, Sequence[Named]], path: list[int]) -> str | None:
    """Return the name at a path in a message, an enum or a service: its own name for the empty path, or a member's."""
    match path:
        case []:
            return name
        case [kind, number] if kind in members:
            return f"{name}.{members[kind][number].name}"
    return None
