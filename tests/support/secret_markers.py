"""Secrets that can be recognized anywhere. Each starts with a marker that appears nowhere else in the suite."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "Kq7mXv94TzWe"
"""Letters and digits only: JSON and URLs do not change them. Short, so that a truncated secret contains it too."""

MARKERS = (MARKER, "hunter2")
"""The second marker is for secrets that must be short, or that are written out in a test."""

_REST = '"ü/+\n&=%\\'
_KEY_BYTES = 32
_BASE64 = {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


def marked_secret(label: str = "") -> str:
    """Return a secret text. The characters after its marker need escaping in JSON, URLs and logs."""
    return f"{MARKER} {label} {_REST} which makes 32 bytes"


def marked_password(label: str = "") -> str:
    """Return a secret that needs no escaping in a URL or as a bearer token."""
    return f"{MARKER}{label}"


def marked_key(label: str = "") -> bytes:
    """Return a secret of 32 bytes of valid UTF-8."""
    return f"{MARKER}{label}{_REST}{'k' * _KEY_BYTES}".encode()[:_KEY_BYTES]


ENCRYPTION_KEY = marked_key()


def forms_in(content: str | bytes) -> list[str]:
    """Return the encodings in which content contains secrets; empty if it contains none."""
    searched = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    return [form for form, needles in _FORMS.items() if any(needle in searched for needle in needles)]


def _forms() -> Iterator[tuple[str, list[bytes]]]:
    markers = [marker.encode() for marker in MARKERS]
    in_hex = [marker.hex().encode() for marker in markers]
    yield "plain", markers
    # Without the last byte of its little-endian form, a marker is found in big-endian text too.
    yield "UTF-16", [marker.encode("utf-16-le")[:-1] for marker in MARKERS]
    yield "hex", [*in_hex, *(marker.upper() for marker in in_hex)]
    yield "base64", sorted({inside for marker in markers for inside in _inside_base64(marker)})
    yield "base64 of hex", sorted({inside for marker in in_hex for inside in _inside_base64(marker)})
    yield "private key", [b"PRIVATE KEY-----"]


def _inside_base64(marker: bytes) -> Iterator[bytes]:
    """Yield the base64 characters that depend on the marker only, for each of its three alignments."""
    for encode in _BASE64.values():
        for before in range(3):
            encoded = encode(bytes(before) + marker).rstrip(b"=")
            is_cut = (before + len(marker)) % 3 != 0
            yield encoded[-(-before * 8 // 6) : len(encoded) - is_cut]


_FORMS = dict(_forms())
