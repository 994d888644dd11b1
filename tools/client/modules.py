"""Generates the source of a module for a service, and of the package with all services."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.client.arguments import enums_of
from tools.client.methods import ASYNC, SYNC, WIDTH, Flavor, method_source, wrapped
from tools.client.names import attribute, class_name, method_names, module_of, noun_of, short_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor import ServiceDescriptor

FIRST_PARTY = "--config=lint.isort.known-first-party=['stagely', 'stagely_rpc']"
MADE = "Generated from protos/ by `make generate`. Do not edit."

# The names that a module may need, by the module to import them from. Only names that occur in the code are imported.
AT_RUN_TIME = {
    "typing": ("Literal",),
    "stagely_rpc.client.paging": ("Pager", "SyncPager"),
    "stagely_rpc.client.requests": ("UNSET", "build", "build_update", "new_request_id"),
    "stagely_rpc.client.resuming": ("Cursor",),
}
FOR_TYPES = {
    "collections.abc": ("AsyncGenerator", "Generator", "Iterable", "Mapping"),
    "datetime": ("datetime", "timedelta"),
    "google.protobuf": ("duration_pb2", "struct_pb2", "timestamp_pb2"),
    "stagely_rpc.client.calls": ("Calls",),
    "stagely_rpc.client.requests": ("Unset",),
    "stagely_rpc.client.sending": ("Requests",),
    "stagely_rpc.client.sync_calls": ("SyncCalls",),
}


def module_source(service: ServiceDescriptor, comments: Mapping[str, str]) -> str:
    """Return the source of the module for a service."""
    classes = [_class_source(service, comments, flavor) for flavor in (ASYNC, SYNC)]
    code = "\n".join(_enum_names(service)) + "\n\n" + "\n\n\n".join(classes)
    generated = {"stagely.v1": (*_contract_modules(service), f"{module_of(service)}_grpc")}
    return _formatted(
        f'"""{noun_of(service)}: see the service in the contract. {MADE}"""',
        "from __future__ import annotations",
        "from typing import TYPE_CHECKING",
        *_imports(AT_RUN_TIME | generated, code),
        "if TYPE_CHECKING:",
        *(f"    {line}" for line in _imports(FOR_TYPES, code)),
        "",
        code,
    )


def package_source(services: Iterable[ServiceDescriptor]) -> str:
    """Return the source of the package: two classes with an attribute for each service, and the service descriptors."""
    services = list(services)
    modules = ", ".join(sorted({module_of(service) for service in services}))
    descriptors = (f'{module_of(s)}.DESCRIPTOR.services_by_name["{s.name}"]' for s in services)
    return _formatted(
        f'"""The services of the contract. {MADE}"""',
        "from __future__ import annotations",
        "from functools import cached_property",
        "from typing import TYPE_CHECKING",
        f"from stagely.v1 import {modules}",
        *(
            _import(f"stagely_rpc.client.services.{attribute(s)}", [class_name(s), f"Sync{class_name(s)}"])
            for s in services
        ),
        "if TYPE_CHECKING:",
        "    from stagely_rpc.client.calls import Calls",
        "    from stagely_rpc.client.sync_calls import SyncCalls",
        "",
        f"SERVICES = ({', '.join(descriptors)},)",
        *(_holder_source(services, flavor) for flavor in (ASYNC, SYNC)),
    )


def _class_source(service: ServiceDescriptor, comments: Mapping[str, str], flavor: Flavor) -> str:
    stub = f"{module_of(service)}_grpc.{service.name}Stub"
    comment = "\n    ".join(wrapped(comments[service.full_name], WIDTH - 4))
    head = f'''\
class {flavor.prefix}{class_name(service)}:
    """{comment}
    """

    def __init__(self, calls: {flavor.calls}) -> None:
        self._calls = calls
        self._rpcs = {stub}(calls.channel)
'''
    names = method_names(service)
    methods = (method_source(method, names[method.name], comments, flavor) for method in service.methods)
    return "\n\n".join((head, *methods))


def _holder_source(services: Iterable[ServiceDescriptor], flavor: Flavor) -> str:
    head = f'''\
class {flavor.prefix}Services:
    """Every service of the contract."""

    def __init__(self, calls: {flavor.calls}) -> None:
        self._calls = calls
'''
    attributes = (
        f'''\
    @cached_property
    def {attribute(service)}(self) -> {flavor.prefix}{class_name(service)}:
        """The RPCs of {service.name}."""
        return {flavor.prefix}{class_name(service)}(self._calls)
'''
        for service in services
    )
    return "\n".join((head, *attributes))


def _enum_names(service: ServiceDescriptor) -> Iterator[str]:
    """Yield a type for the short value names of each enum among the arguments of the service."""
    enums = {enum.name: enum for method in service.methods for enum in enums_of(method.input_type)}
    for name, enum in sorted(enums.items()):
        yield f"{name}Name = Literal[{', '.join(map(repr, short_values(enum)))}]"


def _contract_modules(service: ServiceDescriptor) -> tuple[str, ...]:
    messages = [message for method in service.methods for message in (method.input_type, method.output_type)]
    messages += [field.message_type for each in messages for field in each.fields if field.message_type is not None]
    enums = [enum for method in service.methods for enum in enums_of(method.input_type)]
    modules = {module_of(each) for each in messages if each.full_name.startswith("stagely.")}
    return tuple(sorted(modules | {module_of(enum) for enum in enums}))


def _imports(wanted: Mapping[str, Iterable[str]], code: str) -> Iterator[str]:
    code = re.sub(r'""".*?"""', "", code, flags=re.DOTALL)
    for module, names in sorted(wanted.items(), key=lambda item: (item[0] != "typing", item[0])):
        if used := [name for name in names if re.search(rf"\b{name}\b", code)]:
            yield _import(module, used)


def _import(module: str, names: Iterable[str]) -> str:
    return f"from {module} import {', '.join(names)}"


def _formatted(*parts: str) -> str:
    """Format source in the style of the project, with sorted imports."""
    source = "\n".join(parts)
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length=120", FIRST_PARTY, "-"]
        source = subprocess.run(ruff, input=source, capture_output=True, text=True, check=True).stdout
    return source
