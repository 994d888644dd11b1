"""Secrets that can be recognized anywhere: each starts with a marker that occurs nowhere else in the suite."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "Kq7mXv94TzWe"
"""Only letters and digits, so JSON and URLs don't change it. Short, so that a truncated secret contains it too."""

MARKERS = (MARKER, "hunter2")
"""The second marker is for short secrets and for literals."""

_REST = '"ü/+\n&=%\\'
_KEY_BYTES = 32
_BASE64 = {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


def marked_secret(label: str = "") -> str:
    """Return a secret text. After its marker it has characters that JSON, URLs and logs escape."""
    return f"{MARKER} {label} {_REST} which makes 32 bytes"


def marked_password(label: str = "") -> str:
    """Return a secret that is valid in a URL and as a bearer token."""
    return f"{MARKER}{label}"


def marked_key(label: str = "") -> bytes:
    """Return a secret of 32 bytes of valid UTF-8."""
    return f"{MARKER}{label}{_REST}{'k' * _KEY_BYTES}".encode()[:_KEY_BYTES]


ENCRYPTION_KEY = marked_key()


def forms_in(content: str | bytes) -> list[str]:
    """Return the encodings in which a text or bytes contain a secret."""
    searched = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    return [form for form, needles in _FORMS.items() if any(needle in searched for needle in needles)]


def _forms() -> Iterator[tuple[str, list[bytes]]]:
    markers = [marker.encode() for marker in MARKERS]
    in_hex = [marker.hex().encode() for marker in markers]
    yield "plain", markers
    # Without its last byte, the little-endian form is contained in the big-endian form.
    yield "UTF-16", [marker.encode("utf-16-le")[:-1] for marker in MARKERS]
    yield "hex", [*in_hex, *(marker.upper() for marker in in_hex)]
    yield "base64", sorted({inside for marker in markers for inside in _inside_base64(marker)})
    yield "base64 of hex", sorted({inside for marker in in_hex for inside in _inside_base64(marker)})
    yield "private key", [b"PRIVATE KEY-----"]


def _inside_base64(marker: bytes) -> Iterator[bytes]:
    """Yield the characters of the encoding that depend only on the marker, at each alignment."""
    for encode in _BASE64.values():
        for before in range(3):
            encoded = encode(bytes(before) + marker).rstrip(b"=")
            is_cut = (before + len(marker)) % 3 != 0
            yield encoded[-(-before * 8 // 6) : len(encoded) - is_cut]


_FORMS = dict(_forms())
