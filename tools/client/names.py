"""The Python names of the services and RPCs of the contract."""

from __future__ import annotations

import keyword
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, ServiceDescriptor

# Nouns without a plural.
UNCOUNTED = {"audit", "crypto"}


def snake(name: str) -> str:
    """Return a name in lower_snake_case: `cloud_provider` for CloudProvider."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def noun_of(service: ServiceDescriptor) -> str:
    """Return the noun of a service: Team for TeamService."""
    return service.name.removesuffix("Service")


def attribute(service: ServiceDescriptor) -> str:
    """Return the client's attribute for a service: `teams` for TeamService."""
    name = snake(noun_of(service))
    return name if name in UNCOUNTED else f"{name}s"


def class_name(service: ServiceDescriptor) -> str:
    """Return the class for a service: Teams for TeamService."""
    return "".join(word.capitalize() for word in attribute(service).split("_"))


def method_names(service: ServiceDescriptor) -> dict[str, str]:
    """Return the Python name of each RPC of a service: the name of the RPC without the noun of the service.

    GetTeam is `get`, and AddTeamMember is `add_member`. If two RPCs differ only in the plural, as GenerateId and
    GenerateIds do, the plural one is `generate_many`.
    """
    noun = noun_of(service)
    names = {method.name: python_name(snake(short_name(method.name, noun))) for method in service.methods}
    for rpc, name in names.items():
        if _occurrences(names.values(), name) > 1 and rpc.endswith(f"{noun}s"):
            names[rpc] = f"{name}_many"
    doubled = {name for name in names.values() if _occurrences(names.values(), name) > 1}
    if doubled:
        raise ValueError(f"{service.name}: several RPCs would be named {', '.join(sorted(doubled))}")
    return names


def short_name(rpc: str, noun: str) -> str:
    """Return the name of an RPC without the noun of its service, in the singular or plural."""
    return re.sub(rf"(?<=[a-z]){noun}s?(?![a-z])", "", rpc, count=1)


def python_name(name: str) -> str:
    """Return a valid Python name: `from_` for `from`."""
    return f"{name}_" if keyword.iskeyword(name) else name


def short_values(enum: EnumDescriptor) -> list[str]:
    """Return the short names of an enum's values, such as `owner` for TEAM_ROLE_OWNER. Unspecified is left out."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return [value.name.removeprefix(prefix).lower() for value in enum.values if value.number != 0]


def module_of(described: Descriptor | EnumDescriptor | ServiceDescriptor) -> str:
    """Return the name of the generated module of a message, an enum or a service: `team_pb2`."""
    return described.file.name.rpartition("/")[2].replace(".proto", "_pb2")


def _occurrences(names: Iterable[str], name: str) -> int:
    return list(names).count(name)
