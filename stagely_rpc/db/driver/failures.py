"""Connection errors as one line for operators: the message of libpq without the password."""

from __future__ import annotations

import re
from urllib.parse import unquote

import psycopg


def one_line(error: BaseException) -> str:
    """Return the message of an error as one line."""
    diagnosed = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = " ".join((diagnosed or str(error)).split()).removesuffix(".")
    return line[:1].lower() + line[1:]


def why_unreachable(error: psycopg.Error, url: str) -> str:
    """Return why a connection failed. Every part of the URL's password is replaced by `***`.

    If a password contains an unescaped `@`, libpq takes a part of it for the host, and quotes it.
    """
    reason = one_line(error)
    found = re.findall(r"://[^:@/]*:(.*)@|password\s*=\s*'?([^'&\s]+)", url)
    passwords = " ".join(in_authority or in_parameter for in_authority, in_parameter in found)
    for part in re.findall(r"[^@/:?#&\s]+", f"{passwords} {unquote(passwords)}"):
        reason = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", reason)
    return reason
