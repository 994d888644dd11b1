"""The compiled contract: its descriptors, its comments and its options, for whatever is generated from it."""

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
    """What a member of a message, an enum or a service is, as far as it matters here."""

    name: str


@dataclass(frozen=True)
class Contract:
    """What the protos say.

    Attributes:
        files: the files of the package, by name.
        comments: what stands above the package and each service, RPC, message, field, oneof, enum and value, by full
            name; that of a value is the enum's and its own.
    """

    files: Sequence[FileDescriptor]
    comments: Mapping[str, str]
    _pool: DescriptorPool

    def option(self, options: Message, extension: str) -> Message | bool:
        """Return what a custom option says; what it says by default, if it is not set.

        Args:
            options: those of a descriptor of this contract.
            extension: the name of the option in the package, such as `policy`.
        """
        # The options come as the classes of this process, which do not know the extensions of the contract.
        kind = GetMessageClass(self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        known: Any = kind.FromString(options.SerializeToString())
        said: Message | bool = known.Extensions[self._pool.FindExtensionByName(f"{PACKAGE}.{extension}")]
        return said


def read_contract(compiled: bytes) -> Contract:
    """Return the contract that a FileDescriptorSet holds, with its imports and comments."""
    files = FileDescriptorSet.FromString(compiled).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    contract = sorted((file for file in files if file.package == PACKAGE), key=lambda file: file.name)
    comments = {name: comment for file in contract for name, comment in comments_of(file)}
    return Contract([pool.FindFileByName(file.name) for file in contract], comments, pool)


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full name of what has a comment above it, and the comment."""
    for location in file.source_code_info.location:
        name = _name_at(file, list(location.path))
        if name is not None and location.leading_comments:
            comment = re.sub(r"(?m)^ ", "", location.leading_comments).strip()
            yield ".".join(filter(None, (file.package, name))), comment


def _name_at(file: FileDescriptorProto, path: list[int]) -> str | None:
    """Return the name of what is at a path, without the package; empty for the package itself."""
    # descriptor.proto numbers them: in a file, messages are 4, enums 5 and services 6; in those, fields, values and
    # methods are 2, and oneofs are 8.
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
    """Return the name of what is at a path in a message, an enum or a service: itself, or one of its members."""
    match path:
        case []:
            return name
        case [kind, number] if kind in members:
            return f"{name}.{members[kind][number].name}"
    return None
