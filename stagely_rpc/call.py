"""What belongs to a call and not to its request: who calls, for whom, by which policy. One small object, `Call`.

The outermost interceptor makes it, those further in fill it, and the session of the call's transaction carries it to
whatever decides by it. It knows neither gRPC nor the contract.
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
"""Each includes those before it."""

EVERYTHING = "*"


def includes(role: str, other: str) -> bool:
    """Tell whether a role may do all that another role may do."""
    return ROLES.index(role) >= ROLES.index(other)


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call an RPC and what is recorded of it, as the contract says it (`stagely.v1.policy`).

    Attributes:
        permission: what the calling service must hold.
        role: what the user that it acts for must be in the team that owns the resource; None where no team owns it.
        acting_for: in place of a role, for which users a service may call it.
        action: what the audit trail calls a call that succeeded; None if it is not recorded.
    """

    permission: str
    role: Role | None = None
    acting_for: ActingFor | None = None
    action: str | None = None


class Permissions:
    """What a service may do: permissions such as `secrets.access`, all of a kind as `secrets.*`, or all as `*`."""

    __slots__ = ("_held",)

    def __init__(self, held: AbstractSet[str]) -> None:
        self._held = frozenset(held)

    def allow(self, permission: str) -> bool:
        """Tell whether a permission is held."""
        held = self._held
        return permission in held or EVERYTHING in held or f"{permission.partition('.')[0]}.*" in held

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._held))

    def __repr__(self) -> str:
        return f"Permissions({sorted(self._held)})"


@dataclass(frozen=True, slots=True)
class User:
    """The user that a service acts for: one who exists and is active."""

    id: uuid.UUID
    email: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: a service, and the user that it acts for, if it does.

    Attributes:
        service: the identity that the service has shown: the subject of its token or the name in its certificate.
        permissions: what it may do.
        user: the user that it acts for.
    """

    service: str
    permissions: Permissions
    user: User | None = None


NOBODY = Caller(service="", permissions=Permissions(frozenset()))
"""Who calls as long as that is not known: nobody may do anything."""

ANYONE = Caller(service="anonymous", permissions=Permissions({EVERYTHING}))
"""Who calls where authentication is off."""


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request that is answered once, however often it is sent (AIP-155).

    Attributes:
        request_id: by which repetitions are known.
        fingerprint: of the RPC, the acting user and the request: the same for repetitions alone.
    """

    request_id: uuid.UUID
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class TeamOwner:
    """A team that owns what a call is about."""

    id: uuid.UUID


@dataclass(frozen=True, slots=True)
class UserOwner:
    """A user that a call is about, whom the acting user may see because both are in a team."""

    id: uuid.UUID


Owner = TeamOwner | UserOwner


@dataclass(slots=True)
class Call:
    """One RPC in progress.

    Attributes:
        method: full name, such as `/stagely.v1.TeamService/GetTeam`.
        peer: the caller's address as gRPC writes it, such as `ipv4:127.0.0.1:51234`.
        ip: the caller's address, where it has one.
        request_id: the caller's `x-request-id`, or one made here.
        started: `time.perf_counter()` when the call arrived, in seconds.
        policy: of the RPC; None where it has none, as health.
        caller: who calls, once that is known.
        repeatable: set where the request has a `request_id`.
        is_decided: whether it was decided that the user that the caller acts for may do or see this.
        owners: by whom that was decided, so that it can be decided again while a stream is open; None for a unary
            call. What a list shows is decided by each of its queries, and is not in here.
        trace_id: of the trace that the call is a part of, where it is sampled: 32 hexadecimal digits.
        span: of the call in that trace.
        metadata: what came with the call beside its request; a token too.
    """

    method: str
    peer: str
    request_id: str
    ip: IPv4Address | IPv6Address | None = None
    started: float = field(default_factory=time.perf_counter)
    policy: Policy | None = None
    caller: Caller = NOBODY
    repeatable: IdempotentRequest | None = None
    is_decided: bool = False
    owners: set[Owner] | None = None
    trace_id: str | None = None
    span: Span | None = field(default=None, repr=False)
    metadata: Metadata = field(default=(), repr=False)

    @classmethod
    def of_job(cls, job: str) -> Call:
        """Return what stands for a call where the service itself works: no one called, and no policy applies."""
        service = f"service:stagely-rpc/{job}"
        return cls(method=service, peer="", request_id=str(uuid.uuid4()), caller=Caller(service, NOBODY.permissions))

    def check_decided(self) -> None:
        """Refuse to answer a user of whom no one has decided that they may have the answer.

        Raises:
            RuntimeError: a slice did not say which team owns what the call is about.
        """
        policy = self.policy
        if self.caller.user is None or self.is_decided or policy is None or policy.acting_for == "any_user":
            return
        raise RuntimeError(f"{self.method} did not say who owns what it is about")


current_call: ContextVar[Call] = ContextVar("current_call")
