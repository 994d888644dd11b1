"""What the pages show: services, RPCs, messages and enums, their comments rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Member:
    """A field of a message, or a value of an enum.

    Attributes:
        anchor: where on its page it stands.
        name: what it is called.
        type: a link to the type of a field, or the number of a value.
        marks: what is to be known of it at a glance, such as `required`.
        comment: what the contract says of it.
    """

    anchor: str
    name: str
    type: Markup
    marks: list[str]
    comment: Markup


@dataclass(frozen=True)
class Kind:
    """A message or an enum, with its members."""

    name: str
    comment: Markup
    members: list[Member]


@dataclass(frozen=True)
class Code:
    """A status code of an RPC, and when it ends in it."""

    name: str
    when: Markup


@dataclass(frozen=True)
class Rpc:
    """An RPC, with all that its section shows."""

    name: str
    path: str
    comment: Markup
    summary: Markup
    marks: list[str]
    permission: str
    acting_for: Markup
    action: str
    idempotency: Markup
    codes: list[Code]
    request: Kind
    response: Kind
    example: str


@dataclass(frozen=True)
class Service:
    """A service, and what its file declares beside the requests and responses of its RPCs."""

    name: str
    page: str
    comment: Markup
    summary: Markup
    rpcs: list[Rpc]
    messages: list[Kind]
    enums: list[Kind]
