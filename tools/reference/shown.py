"""The data of the pages: services, RPCs, messages and enums, with rendered comments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Member:
    """A field of a message, or a value of an enum.

    Attributes:
        anchor: its anchor on the page.
        name: its name.
        type: a link to the type of a field, or the number of a value.
        marks: short notes, such as `required`.
        comment: its comment in the contract.
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
    """A status code of an RPC, and when the RPC returns it."""

    name: str
    when: Markup


@dataclass(frozen=True)
class Rpc:
    """An RPC, with the content of its section."""

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
    """A service, and the other messages and enums of its file."""

    name: str
    page: str
    comment: Markup
    summary: Markup
    rpcs: list[Rpc]
    messages: list[Kind]
    enums: list[Kind]
