"""The policies, read from the contract without any code of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool

from stagely.v1 import annotations_pb2
from tests.support.methods import METHODS

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.descriptor_pb2 import MethodOptions

    from tests.support.methods import Method

ROLES = ("viewer", "member", "admin", "owner")
"""Each role includes the roles before it."""


def descriptor_of(method: Method) -> MethodDescriptor:
    return descriptor_pool.Default().FindMethodByName(f"stagely.v1.{method.name}")


def options_of(method: Method) -> MethodOptions:
    options: MethodOptions = descriptor_of(method).GetOptions()
    return options


def policy_of(method: Method) -> annotations_pb2.Policy:
    return options_of(method).Extensions[annotations_pb2.policy]


def required_role(policy: annotations_pb2.Policy) -> str:
    """Return the role that a policy requires; empty if it requires none."""
    return annotations_pb2.Role.Name(policy.role).removeprefix("ROLE_").lower() if policy.role else ""


def is_collection(method: Method) -> bool:
    """Return whether an RPC lists or counts resources, without a required parent."""
    required = {field.name for field in method.input.fields if not field.has_presence}
    lists_or_counts = "page_token" in method.input.fields_by_name or "count" in method.output.fields_by_name
    return lists_or_counts and not any(name.endswith("_id") for name in required)


PERMISSIONS = {policy_of(method).permission for method in METHODS}
