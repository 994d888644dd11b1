"""Valid and invalid tokens of a server's callers."""

from __future__ import annotations

import time
from typing import Any

import jwt

from tests.support.secret_markers import MARKER, marked_secret

JWT_SECRET = marked_secret("what this suite and its issuer of tokens share")
JWT_ISSUER = "https://login.stagely.dev"
JWT_AUDIENCE = "stagely-rpc"

AUTHENTICATION = {"jwt_secret": JWT_SECRET, "jwt_issuer": JWT_ISSUER, "jwt_audience": JWT_AUDIENCE}
"""The settings of a server that accepts these tokens."""


def token(subject: str, *permissions: str, secret: str = JWT_SECRET, **claims: Any) -> str:
    """Return a token that is valid for an hour. A given claim replaces the default; None removes it."""
    return jwt.encode(_claims(subject, permissions, claims), secret, "HS256")


def unsigned_token(subject: str, *permissions: str) -> str:
    """Return a token that is valid except for its algorithm, `none`."""
    return jwt.encode(_claims(subject, permissions, {}), "", "none")


def _claims(subject: str, permissions: tuple[str, ...], changes: dict[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "sub": subject,
        "scope": " ".join(permissions),
        "iss": JWT_ISSUER,
        "aud": JWT_AUDIENCE,
        "iat": now,
        "exp": now + 3600,
        # A token is as secret as its key. The marker shows a token that leaks.
        "jti": MARKER,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}
