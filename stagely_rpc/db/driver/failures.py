"""Why the database could not be reached, in one line for an operator: what libpq says, without the password."""

from __future__ import annotations

import re
from urllib.parse import unquote

import psycopg


def one_line(error: BaseException) -> str:
    """Return what an error says on one line, as messages to people are written here."""
    diagnosed = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = " ".join((diagnosed or str(error)).split()).removesuffix(".")
    return line[:1].lower() + line[1:]


def why_unreachable(error: psycopg.Error, url: str) -> str:
    """Return why a connection failed. Every part of the URL's password is blanked.

    libpq quotes what it takes for a host when a password has an unescaped `@`.
    """
    reason = one_line(error)
    found = re.findall(r"://[^:@/]*:(.*)@|password\s*=\s*'?([^'&\s]+)", url)
    passwords = " ".join(in_authority or in_parameter for in_authority, in_parameter in found)
    for part in re.findall(r"[^@/:?#&\s]+", f"{passwords} {unquote(passwords)}"):
        reason = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", reason)
    return reason
