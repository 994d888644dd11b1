"""What services may do, as tokens and the permissions file say it: `secrets.access`, `secrets.*` or `*`."""

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
    """The permissions file can't be used: one line that names the file, and the entry where it is one."""


def is_identity(text: str) -> bool:
    """Tell whether a text can name a service: 1 to 200 printable characters, without space around them."""
    return 0 < len(text) <= IDENTITY_MAX_CHARACTERS and text.isprintable() and text == text.strip()


def is_permission(text: str) -> bool:
    """Tell whether a text is a permission: `*`, `kind.*` or `kind.verb`."""
    return _PERMISSION.fullmatch(text) is not None


def permissions_in(scope: str) -> Permissions:
    """Return the permissions in a token's scope (RFC 8693, section 4.2); foreign scopes, such as `openid`, are none."""
    return Permissions({name for name in scope.split(" ") if is_permission(name)})


def load_permissions(path: Path) -> dict[str, Permissions]:
    """Read the permissions of the services that show certificates, by identity.

    The file is TOML with one table, `[identities]`, of lines such as
    `"spiffe://stagely.dev/reaper" = ["environments.*"]`.

    Raises:
        PermissionsError: the file can't be read, or says anything else.
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
        raise ValueError(f"unknown key {min(unknown)!r}; there is one table, [identities]")
    entries = document.get("identities")
    if not isinstance(entries, dict):
        raise ValueError("the table [identities] is missing")  # noqa: TRY004 - of the file, not of an argument
    return entries


def _permissions(identity: str, held: object) -> Permissions:
    if not is_identity(identity):
        limits = f"must have 1 to {IDENTITY_MAX_CHARACTERS} printable characters"
        raise ValueError(f"identity {identity[:IDENTITY_MAX_CHARACTERS]!r}: {limits}")
    if not isinstance(held, list):
        raise ValueError(f"identity {identity!r}: must have a list of permissions")  # noqa: TRY004
    for permission in held:
        if not isinstance(permission, str) or not is_permission(permission):
            raise ValueError(f"identity {identity!r}: {permission!r} is no permission (`kind.verb`, `kind.*` or `*`)")
    return Permissions(set(held))
