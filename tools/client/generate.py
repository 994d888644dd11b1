"""Write the client's services from the compiled contract: a module for each, and the classes that hold them all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from tools.client.modules import module_source, package_source
from tools.client.names import attribute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

PACKAGE = "stagely.v1"


def generate_services(compiled: bytes, directory: Path) -> None:
    """Write every module.

    Args:
        compiled: a FileDescriptorSet with its imports and comments.
        directory: where to.
    """
    files = FileDescriptorSet.FromString(compiled).file
    pool = DescriptorPool()
    for file in files:
        pool.Add(file)
    contract = [file for file in files if file.package == PACKAGE]
    comments = {name: comment for file in contract for name, comment in comments_of(file)}
    described = [pool.FindFileByName(file.name) for file in contract]
    services = sorted((service for file in described for service in file.services_by_name.values()), key=attribute)
    for service in services:
        (directory / f"{attribute(service)}.py").write_text(module_source(service, comments))
    (directory / "__init__.py").write_text(package_source(services))


def comments_of(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full name of each service, RPC and field of a message, and the comment above it."""
    for location in file.source_code_info.location:
        # descriptor.proto numbers them: in a file, messages are 4 and services 6; in those, fields and methods are 2.
        match list(location.path):
            case [6, service]:
                name = file.service[service].name
            case [6, service, 2, method]:
                name = f"{file.service[service].name}.{file.service[service].method[method].name}"
            case [4, message, 2, field]:
                name = f"{file.message_type[message].name}.{file.message_type[message].field[field].name}"
            case _:
                continue
        if location.leading_comments:
            yield f"{file.package}.{name}", re.sub(r"(?m)^ ", "", location.leading_comments).strip()
