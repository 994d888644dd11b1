"""Reads the options of RPCs: their policies (`stagely.v1.policy`), and which of them take a `request_id`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message_factory import GetMessageClass

from stagely.v1 import annotations_pb2
from stagely_rpc.call import ActingFor, Policy, Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
    from google.protobuf.message import Message

_ROLES = {number: name.removeprefix("ROLE_").lower() for name, number in annotations_pb2.Role.items() if number}
_ACTING_FOR = {
    number: name.removeprefix("ACTING_FOR_").lower() for name, number in annotations_pb2.ActingFor.items() if number
}


def policy_of(method: MethodDescriptor) -> Policy | None:
    """Return the policy of an RPC; None if it has none, or an incomplete one."""
    written = method.GetOptions().Extensions[annotations_pb2.policy]
    role, acting_for = _ROLES.get(written.role), _ACTING_FOR.get(written.acting_for)
    if not written.permission or (role is None) == (acting_for is None):
        return None
    return Policy(
        permission=written.permission,
        role=cast("Role | None", role),
        acting_for=cast("ActingFor | None", acting_for),
        action=written.action or None,
    )


def takes_request_id(method: MethodDescriptor) -> bool:
    """Return whether an RPC changes something, so that its requests take a `request_id`."""
    return method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN


def policies(services: Iterable[ServiceDescriptor]) -> dict[str, Policy]:
    """Return the policy of each RPC by its full name, such as `/stagely.v1.TeamService/GetTeam`."""
    return {name: policy for name, method in _methods(services) if (policy := policy_of(method)) is not None}


def idempotent_responses(services: Iterable[ServiceDescriptor]) -> dict[str, type[Message]]:
    """Return the response class of each RPC whose requests take a `request_id`, by the full name of the RPC."""
    idempotent = {name: method for name, method in _methods(services) if takes_request_id(method)}
    return {name: GetMessageClass(method.output_type) for name, method in idempotent.items()}


def _methods(services: Iterable[ServiceDescriptor]) -> Iterator[tuple[str, MethodDescriptor]]:
    for service in services:
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method
