"""Invalid and unusual field values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from tests.support import wire

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Bad:
    """A value of a field.

    Attributes:
        kind: describes the value.
        value: the value.
        is_refused: whether INVALID_ARGUMENT is the only right status.
    """

    kind: str
    value: Any
    is_refused: bool = False


_UUID = "4f9c2e3a-8d11-4c55-9b1e-0a6f2d7c8e90"

_TEXTS = {
    "empty": "",
    "a space": " ",
    "control characters": "a\x01b\x7f\x85",
    "line breaks": "a\r\nb",
    "right to left": "\u202egnp.exe",
    "zero width": "a\u200bb\ufeff",
    "odd letters": "\u212a\uff0eẞ\u2028\ufffe\U0010ffff",
    "emoji": "👩🏽‍🚀🏳️‍🌈",
    "path": "../../etc/passwd",
    "SQL": "'; DROP TABLE teams;--",
    "percent": "%",
    "underscore and backslash": "_\\",
}

_UUIDS = {
    "UUID with braces": f"{{{_UUID}}}",
    "UUID as URN": f"urn:uuid:{_UUID}",
    "UUID with a space": f" {_UUID}",
    "UUID without hyphens": _UUID.replace("-", ""),
    "UUID too short": _UUID[:-1],
    "UUID too long": f"{_UUID}0",
    "UUID of other digits": _UUID.replace("1", "\u0661"),
    "unknown UUID": _UUID,
}

_REFUSED_TEXTS = {
    "NUL": "\0",
    "NUL inside": "a\0b",
    "too long": "a" * 100_000,
    "too long in bytes too": "😀" * 25_000,
}

_DEFORMED: dict[str, Callable[[str], str]] = {
    "line break after": lambda valid: f"{valid}\n",
    "in upper case": str.upper,
    "doubled": lambda valid: valid * 2,
    "cut": lambda valid: valid[:-1],
}


def texts(valid: str) -> list[Bad]:
    """Return bad values for a text field. Some are changed forms of a valid value."""
    return [
        *(Bad(kind, text) for kind, text in (_TEXTS | (_UUIDS if _is_uuid(valid) else {})).items()),
        *(Bad(kind, text, is_refused=True) for kind, text in _REFUSED_TEXTS.items()),
        *(Bad(kind, deform(valid)) for kind, deform in _DEFORMED.items()),
    ]


def _is_uuid(text: str) -> bool:
    return len(text) == len(_UUID) and text.count("-") == _UUID.count("-")


def byte_strings(marker: bytes) -> list[Bad]:
    """Return bad values for a bytes field, with a secret marker in them."""
    return [
        Bad("empty", b""),
        Bad("one byte", b"\xff"),
        Bad("NULs", bytes(32)),
        Bad("one byte less", marker[:-1]),
        Bad("one byte more", marker + b"\x80"),
        Bad("one byte too long", (marker + b"a" * 65_537)[:65_537], is_refused=True),
        Bad("far too long", marker + b"a" * 1_000_000, is_refused=True),
    ]


INT32 = [Bad(str(number), number) for number in (0, 1, -1, 2**31 - 1, -(2**31), 65_536, 1_000_000_007)]
INT64 = [*INT32, *(Bad(str(number), number) for number in (2**31, 2**53 + 1, 2**63 - 1, -(2**63)))]
BOOLS = [Bad("false", value=False), Bad("true", value=True)]


def enums(*, repeated: bool) -> list[Bad]:
    """Return numbers that are not in the enum, and 0."""
    unknown = [Bad(str(number), number, is_refused=True) for number in (99, -1, 2**31 - 1, -(2**31))]
    if not repeated:
        return [Bad("0", 0), *unknown]
    return [
        Bad("[0]", [0], is_refused=True),
        Bad("10,000 times 1", [1] * 10_000),
        Bad("10,000 times 99", [99] * 10_000, is_refused=True),
        *(Bad(f"[1, {bad.value}]", [1, bad.value], is_refused=True) for bad in unknown),
    ]


def structs(marker: str) -> list[Bad]:
    """Return bad JSON objects, with a secret marker in them that no error message may show."""
    long, secret = "a" * 70_000, marker or "x"
    return [
        Bad("empty", Struct()),
        Bad("empty key", _struct({"": secret})),
        Bad("NUL in a key", _struct({f"{secret}\0": 1}), is_refused=True),
        Bad("NUL in a text", _struct({"a": [{"b": f"{secret}\0"}]}), is_refused=True),
        Bad("not a number", _struct({secret: math.nan}), is_refused=True),
        Bad("infinity", _struct({"a": {secret: math.inf}}), is_refused=True),
        Bad("minus infinity", _struct({secret: [-math.inf]}), is_refused=True),
        Bad("a value of no kind", _without_kind(secret), is_refused=True),
        Bad("too large", _struct({secret: long}), is_refused=True),
        Bad("a key too long", _struct({f"{secret}{long}": 1}), is_refused=True),
        Bad("10,000 keys", _struct({f"{secret}{number}": number for number in range(10_000)}), is_refused=True),
        Bad("25 levels", Struct.FromString(wire.deep_struct(25)), is_refused=True),
        Bad("huge numbers", _struct({secret: [1e308, -1e308, 5e-324, 2.0**53, 2.0**64]})),
        Bad("escapes", _struct({"\\ud800": "\\u0000", "__proto__": {"$ne": None}, "a.b": "';--"})),
        Bad("odd text", _struct({"\u202e": "👩🏽‍🚀\ufffe\u2028\x7f\x01"})),
    ]


def _struct(value: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(value)
    return struct


def _without_kind(key: str) -> Struct:
    struct = Struct()
    struct.fields[key].Clear()
    return struct


def masks(names: list[str]) -> list[Bad]:
    """Return update masks: malformed ones, ones with unknown or output-only fields, and one for each field."""
    wrong = {
        "an empty path": [""],
        "a nested path": ["name.first"],
        "output-only paths": ["created_at", "updated_at"],
        "the etag": ["etag"],
        "the id": ["id"],
        "the mask itself": ["update_mask"],
        "of an unknown field": ["name", "no_such_field"],
        "in camel case": ["updateMask"],
        "SQL": ["name; DROP TABLE teams"],
        "NUL": ["name\0"],
        "odd text": ["\u202eeman", "👩🏽‍🚀", "\x01\x7f\x85"],
        "too long": ["a" * 100_000],
        "10,000 unknown paths": [f"no_such_field_{number}" for number in range(10_000)],
        "10,000 long paths": [f"{'a' * 100}{number}" for number in range(10_000)],
    }
    right: dict[str, list[str]] = {
        "no path": [],
        "everything twice": ["*", "*"],
        "10,000 times everything": ["*"] * 10_000,
    } | {f"only {name}": [name] for name in names}
    return [
        *(Bad(kind, FieldMask(paths=paths), is_refused=True) for kind, paths in wrong.items()),
        *(Bad(kind, FieldMask(paths=paths)) for kind, paths in right.items()),
    ]


_NO_UTF8 = {
    "no UTF-8": b"\xff\xfe",
    "overlong UTF-8": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "UTF-8 cut short": b"abc\xe2\x82",
    "beyond Unicode": b"\xf4\x90\x80\x80",
}

TAILS = {
    "text": [Bad(kind, text, is_refused=True) for kind, text in _NO_UTF8.items()],
    "mask": [Bad(kind, wire.chunk(1, text), is_refused=True) for kind, text in _NO_UTF8.items()],
    "struct": [
        *(Bad(f"{kind} as a key", wire.nested((1, 1), text), is_refused=True) for kind, text in _NO_UTF8.items()),
        *(Bad(f"{kind} inside", wire.nested((1, 2, 3), text), is_refused=True) for kind, text in _NO_UTF8.items()),
        Bad("no UTF-8 20 levels deep", wire.nested((1, 2, 5) * 20 + (1, 1), b"\xff"), is_refused=True),
        Bad("90 levels", wire.deep_struct(90), is_refused=True),
        Bad("2,000 levels", wire.deep_struct(2_000), is_refused=True),
    ],
}
"""Bytes to append to a request under a field's number, which the protobuf library would not write."""

BODIES = {
    "with unknown fields": wire.tag(19_000, wire.VARINT) + wire.varint(2**64 - 1) + wire.chunk(2**29 - 1, b"a" * 1000),
    "with a group": wire.tag(77, wire.GROUP_START) + wire.tag(77, wire.GROUP_END),
    "with 2,000 unknown groups": wire.tag(77, wire.GROUP_START) * 2_000 + wire.tag(77, wire.GROUP_END) * 2_000,
    "with an open group": wire.tag(77, wire.GROUP_START),
    "with a closed group": wire.tag(77, wire.GROUP_END),
    "with field 0": b"\x00\x00",
    "with an unknown wire type": wire.tag(77, 7),
    "with an endless number": wire.tag(77, wire.VARINT) + b"\xff" * 11,
    "with a length beyond its end": wire.tag(77, wire.LENGTH_DELIMITED) + wire.varint(1000) + b"a",
    "with a length beyond everything": wire.tag(1, wire.LENGTH_DELIMITED) + wire.varint(2**64 - 1),
}
"""Bytes to append to a request."""
