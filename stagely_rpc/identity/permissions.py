"""Permissions of services, in tokens and in the permissions file: `secrets.access`, `secrets.*` or `*`."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from stagely_rpc.call import Permissions

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY_MAX_CHARACTERS = 200

_PERMISSION = re.compile(r"\*|[a-z_]+\.(?:\*|[a-z_]+)")


class PermissionsError(Exception):
    """The permissions file can't be used. The message is one line that names the file and, if known, the entry."""


def is_identity(text: str) -> bool:
    """Return whether a text can name a service: 1 to 200 printable characters, no leading or trailing space."""
    return 0 < len(text) <= IDENTITY_MAX_CHARACTERS and text.isprintable() and text == text.strip()


def is_permission(text: str) -> bool:
    """Return whether a text is a permission: `*`, `kind.*` or `kind.verb`."""
    return _PERMISSION.fullmatch(text) is not None


def parse_scope(scope: str) -> Permissions:
    """Return the permissions in a token's scope (RFC 8693, 4.2). Ignore other scopes, such as `openid`."""
    return Permissions({name for name in scope.split(" ") if is_permission(name)})


def load_permissions(path: Path) -> dict[str, Permissions]:
    """Read the permissions file. Return the permissions by identity, for services that authenticate by certificate.

    The file is TOML with one table, `[identities]`. Its lines look like
    `"spiffe://stagely.dev/reaper" = ["environments.*"]`.

    Raises:
        PermissionsError: the file can't be read, or has another form.
    """
    try:
        entries = _identities(tomllib.loads(path.read_text(encoding="utf-8")))
        return {identity: _permissions(identity, held) for identity, held in entries.items()}
    except OSError as error:
        raise PermissionsError(f"the permissions file {path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise PermissionsError(f"the permissions file {path} can't be used: {error}") from error


def _identities(document: dict[str, object]) -> dict[str, object]:
    if unknown := document.keys() - {"identities"}:
        raise ValueError(f"unknown key {min(unknown)!r}; the only table is [identities]")
    entries = document.get("identities")
    if not isinstance(entries, dict):
        raise ValueError("the table [identities] is missing")  # noqa: TRY004 - the fault is in the file, not in an argument
    return entries


def _permissions(identity: str, held: object) -> Permissions:
    if not is_identity(identity):
        limits = f"must have 1 to {IDENTITY_MAX_CHARACTERS} printable characters"
        raise ValueError(f"identity {identity[:IDENTITY_MAX_CHARACTERS]!r}: {limits}")
    if not isinstance(held, list):
        raise ValueError(f"identity {identity!r}: must have a list of permissions")  # noqa: TRY004
    for permission in held:
        if not isinstance(permission, str) or not is_permission(permission):
            raise ValueError(
                f"identity {identity!r}: {permission!r} is not a permission (`kind.verb`, `kind.*` or `*`)"
            )
    return Permissions(set(held))
