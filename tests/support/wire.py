"""Protobuf by hand, for what its library refuses to write."""

from __future__ import annotations

VARINT, FIXED64, LENGTH_DELIMITED, GROUP_START, GROUP_END, FIXED32 = range(6)


def varint(number: int) -> bytes:
    """Encode a number from 0 to 2^64 - 1."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def tag(number: int, wire_type: int) -> bytes:
    return varint(number << 3 | wire_type)


def chunk(number: int, content: bytes) -> bytes:
    """Encode a field of type string, bytes or a message."""
    return tag(number, LENGTH_DELIMITED) + varint(len(content)) + content


def nested(numbers: tuple[int, ...], content: bytes) -> bytes:
    """Encode what lies in the innermost of nested messages: merged into those that came before on the wire."""
    for number in reversed(numbers):
        content = chunk(number, content)
    return content


def deep_struct(levels: int) -> bytes:
    """Encode a `google.protobuf.Struct` in a Struct in a Struct…, each under the key `k`."""
    struct = b""
    for _ in range(levels):
        struct = chunk(1, chunk(1, b"k") + chunk(2, chunk(5, struct)))
    return struct
