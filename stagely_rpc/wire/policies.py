"""The policies of the contract (`stagely.v1.policy`): who may call each RPC, and which requests can be repeated."""

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
    """Return the policy of an RPC; None if it has none, or one that does not say who may call it."""
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


def is_repeatable(method: MethodDescriptor) -> bool:
    """Tell whether a request of an RPC must not have its effect twice, and can carry a `request_id` for that."""
    return method.GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN


def policies(services: Iterable[ServiceDescriptor]) -> dict[str, Policy]:
    """Return the policies of services by the full names of their RPCs, such as `/stagely.v1.TeamService/GetTeam`."""
    return {name: policy for name, method in _methods(services) if (policy := policy_of(method)) is not None}


def repeatable_responses(services: Iterable[ServiceDescriptor]) -> dict[str, type[Message]]:
    """Return the response classes of the RPCs whose requests are repeatable, by their full names."""
    return {name: GetMessageClass(method.output_type) for name, method in _methods(services) if is_repeatable(method)}


def _methods(services: Iterable[ServiceDescriptor]) -> Iterator[tuple[str, MethodDescriptor]]:
    for service in services:
        for method in service.methods:
            yield f"/{service.full_name}/{method.name}", method
