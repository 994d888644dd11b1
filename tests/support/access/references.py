"""Which fields of requests name something of a team, found in the valid requests of every RPC."""

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

_PLACE = re.compile(r"\{(\w+)\.(\w+)\}")
_NO_NAMES = {"etag", "pr_number"}
_MIN_CHARACTERS = 8
_NEXT_DIGIT = str.maketrans("0123456789abcdef", "123456789abcdef0")


@dataclass(frozen=True)
class Reference:
    """A field of a valid request that names a resource.

    Attributes:
        variant: of the request.
        path: of the field, with dots.
        template: what it names, such as `{team.id}`.
    """

    variant: int
    path: str
    template: str

    @property
    def kind(self) -> str:
        """Of what it is, such as `team`."""
        return self.template.removeprefix("{").partition(".")[0]


def references_of(name: str) -> list[Reference]:
    """Return every reference in the valid requests of an RPC."""
    return [
        Reference(variant, path, template)
        for variant, given in enumerate(SEEDS.get(name, ()))
        for path, template in _places(given)
    ]


def _places(given: dict[str, Any], outer: str = "") -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _places(value, f"{outer}{name}.")
        elif (found := _PLACE.fullmatch(str(value))) and found[2] not in _NO_NAMES:
            yield f"{outer}{name}", str(value)


def mixed(name: str, world: World, reference: Reference, value: str) -> Message:
    """Return a request about a world in which one reference is to something else."""
    request = seed(name, world, reference.variant)
    *outer, field = reference.path.split(".")
    message = request
    for part in outer:
        message = getattr(message, part)
    setattr(message, field, value)
    return request


def value_in(world: World, reference: Reference) -> str:
    return reference.template.format(**vars(world))


def absent(value: str) -> str:
    """Return a name of the same form that nothing has."""
    return value[:-_MIN_CHARACTERS] + value[-_MIN_CHARACTERS:].translate(_NEXT_DIGIT)


def marks_of(world: World, other_world: World) -> set[str]:
    """Return the texts by which a world is known: those of its resources that are in no resource of the other."""
    return _texts(world) - _texts(other_world)


def _texts(world: World) -> set[str]:
    return {
        value
        for resource in vars(world).values()
        for field, value in resource.ListFields()
        if field.type == FieldDescriptor.TYPE_STRING and len(value) >= _MIN_CHARACTERS
    }
