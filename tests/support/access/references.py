"""The request fields that refer to a team's resources, found in the valid requests of every RPC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from tests.support.seeds import SEEDS, seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from tests.support.world import World

_PLACEHOLDER = re.compile(r"\{(\w+)\.(\w+)\}")
_NOT_REFERENCES = {"etag", "pr_number"}
_MIN_CHARACTERS = 8
_NEXT_DIGIT = str.maketrans("0123456789abcdef", "123456789abcdef0")


@dataclass(frozen=True)
class Reference:
    """A field of a valid request that refers to a resource.

    Attributes:
        variant: the index of the request among the valid requests of the RPC.
        path: the path of the field, with dots.
        template: the placeholder in the field, such as `{team.id}`.
    """

    variant: int
    path: str
    template: str

    @property
    def kind(self) -> str:
        """The type of the resource, such as `team`."""
        return self.template.removeprefix("{").partition(".")[0]


def references_of(name: str) -> list[Reference]:
    """Return every reference in the valid requests of an RPC."""
    return [
        Reference(variant, path, template)
        for variant, given in enumerate(SEEDS.get(name, ()))
        for path, template in _placeholders(given)
    ]


def _placeholders(given: dict[str, Any], outer: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _placeholders(value, f"{outer}{name}.")
        elif (found := _PLACEHOLDER.fullmatch(str(value))) and found[2] not in _NOT_REFERENCES:
            yield f"{outer}{name}", str(value)


def with_reference(name: str, world: World, reference: Reference, value: str) -> Message:
    """Return a valid request in a world, with one reference replaced by a value."""
    request = seed(name, world, reference.variant)
    *outer, field = reference.path.split(".")
    message = request
    for part in outer:
        message = getattr(message, part)
    setattr(message, field, value)
    return request


def value_in(world: World, reference: Reference) -> str:
    return reference.template.format(**vars(world))


def missing(value: str) -> str:
    """Return a value of the same form that refers to nothing."""
    return value[:-_MIN_CHARACTERS] + value[-_MIN_CHARACTERS:].translate(_NEXT_DIGIT)


def marks_of(world: World, other_world: World) -> set[str]:
    """Return the texts that identify a world: texts of its resources that the other world does not contain."""
    return _texts(world) - _texts(other_world)


def _texts(world: World) -> set[str]:
    return {
        value
        for resource in vars(world).values()
        for field, value in resource.ListFields()
        if field.type == FieldDescriptor.TYPE_STRING and len(value) >= _MIN_CHARACTERS
    }
