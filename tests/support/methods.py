"""Every RPC of the contract, found by the descriptors. RPCs that are added to the contract need no change here."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

import stagely.v1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FileDescriptor, MethodDescriptor
    from google.protobuf.message import Message


@dataclass(frozen=True)
class Method:
    """One RPC, such as `TeamService.GetTeam`."""

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    input: Descriptor
    output: Descriptor
    changes_something: bool
    is_streaming: bool
    streams_requests: bool

    def __str__(self) -> str:
        return self.name


def _files() -> Iterator[FileDescriptor]:
    for module in sorted(pkgutil.iter_modules(stagely.v1.__path__), key=lambda found: found.name):
        if module.name.endswith("_pb2"):
            yield importlib.import_module(f"stagely.v1.{module.name}").DESCRIPTOR


def _method(method: MethodDescriptor) -> Method:
    service = method.containing_service
    return Method(
        name=f"{service.name}.{method.name}",
        path=f"/{service.full_name}/{method.name}",
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        input=method.input_type,
        output=method.output_type,
        changes_something=method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN,
        is_streaming=method.client_streaming or method.server_streaming,
        streams_requests=method.client_streaming,
    )


FILES = tuple(dict.fromkeys(_files()))
SERVICES = tuple(service for file in FILES for service in file.services_by_name.values())
METHODS = tuple(_method(method) for service in SERVICES for method in service.methods)
METHOD = {method.name: method for method in METHODS}
LISTS = tuple(method for method in METHODS if "page_token" in method.input.fields_by_name)
