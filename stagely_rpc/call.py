"""The context of a call: the caller, the acting user and the policy, in one small object, `Call`.

The outermost interceptor creates it, inner interceptors fill it, and the session of the call's transaction carries it
to the code that authorizes. This module knows neither gRPC nor the contract.
"""

from __future__ import annotations

import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Set as AbstractSet
    from ipaddress import IPv4Address, IPv6Address

    from opentelemetry.trace import Span

    Metadata = Collection[tuple[str, str | bytes]]

Role = Literal["owner", "admin", "member", "viewer"]
ActingFor = Literal["nobody", "self", "teammate", "any_user"]

ROLES: tuple[Role, ...] = ("viewer", "member", "admin", "owner")
"""Each role includes those before it."""

EVERYTHING = "*"


def includes(role: str, other: str) -> bool:
    """Return whether a role includes another role."""
    return ROLES.index(role) >= ROLES.index(other)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call an RPC, and how the call is audited. The contract defines it (`stagely.v1.policy`).

    Attributes:
        permission: the permission that the calling service must hold.
        role: the role that the acting user needs in the team that owns the resource; None if no team owns it.
        acting_for: instead of a role, the users that a service may act for.
        action: the audit action of a successful call; None if the call is not audited.
    """

    permission: str
    role: Role | None = None
    acting_for: ActingFor | None = None
    action: str | None = None


class Permissions:
    """The permissions of a service: single ones (`secrets.access`), all of a resource (`secrets.*`), or all (`*`)."""

    __slots__ = ("_held",)

    def __init__(self, held: AbstractSet[str]) -> None:
        self._held = frozenset(held)

    def allow(self, permission: str) -> bool:
        """Return whether the service holds a permission."""
        held = self._held
        return permission in held or EVERYTHING in held or f"{permission.partition('.')[0]}.*" in held

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._held))

    def __repr__(self) -> str:
        return f"Permissions({sorted(self._held)})"


@dataclass(frozen=True, slots=True)
class User:
    """The user that a service acts for. The user exists and is active."""

    id: uuid.UUID
    email: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: a service, and the user that it acts for, if any.

    Attributes:
        service: the authenticated identity: the subject of the token or the name in the certificate.
        permissions: the permissions of the service.
        user: the user that the service acts for.
    """

    service: str
    permissions: Permissions
    user: User | None = None


NOBODY = Caller(service="", permissions=Permissions(frozenset()))
"""The caller before authentication. It has no permissions."""

ANYONE = Caller(service="anonymous", permissions=Permissions({EVERYTHING}))
"""The caller when authentication is off."""


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """An idempotent request: it takes effect once, however often it is sent (AIP-155).

    Attributes:
        request_id: identifies repetitions.
        fingerprint: a fingerprint of the RPC, the acting user and the request. Only repetitions share it.
    """

    request_id: uuid.UUID
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class TeamOwner:
    """The team that owns the resource of a call."""

    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class UserOwner:
    """The user that a call concerns. The acting user may see them because they share a team."""

    id: uuid.UUID


Owner = TeamOwner | UserOwner


@dataclass(slots=True)
class Call:
    """One RPC in progress.

    Attributes:
        method: the full name, such as `/stagely.v1.TeamService/GetTeam`.
        peer: the caller's address as gRPC writes it, such as `ipv4:127.0.0.1:51234`.
        ip: the caller's IP address, if it has one.
        request_id: the caller's `x-request-id`, or one made here.
        started: `time.perf_counter()` when the call arrived, in seconds.
        policy: the policy of the RPC; None if it has none, such as health.
        caller: the caller, after authentication.
        idempotent_request: set if the request has a `request_id`.
        is_authorized: whether the acting user was authorized for this call.
        owners: the owners that authorization used, so that it can be repeated while a stream is open; None for a
            unary call. A list sets none: its queries authorize each row.
        trace_id: the id of the call's trace, if it is sampled: 32 hexadecimal digits.
        span: the span of the call in that trace.
        metadata: the metadata of the call, which may include a token.
    """

    method: str
    peer: str
    request_id: str
    ip: IPv4Address | IPv6Address | None = None
    started: float = field(default_factory=time.perf_counter)
    policy: Policy | None = None
    caller: Caller = NOBODY
    idempotent_request: IdempotentRequest | None = None
    is_authorized: bool = False
    owners: set[Owner] | None = None
    trace_id: str | None = None
    span: Span | None = field(default=None, repr=False)
    metadata: Metadata = field(default=(), repr=False)

    @classmethod
    def of_job(cls, job: str) -> Call:
        """Return the call of a background job of the service. It has no caller's permissions and no policy."""
        service = f"service:stagely-rpc/{job}"
        return cls(method=service, peer="", request_id=str(uuid.uuid4()), caller=Caller(service, NOBODY.permissions))

    def check_authorized(self) -> None:
        """Check that the acting user was authorized before the call is answered.

        Raises:
            RuntimeError: a slice did not authorize: it did not name the owner of the resource.
        """
        policy = self.policy
        if self.caller.user is None or self.is_authorized or policy is None or policy.acting_for == "any_user":
            return
        raise RuntimeError(f"{self.method} did not name the owner of its resource")


current_call: ContextVar[Call] = ContextVar("current_call")
