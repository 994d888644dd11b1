"""Tokens as the callers of a server show them, good and bad."""

from __future__ import annotations

import time
from typing import Any

import jwt

from tests.support.secret_markers import MARKER, canary

JWT_SECRET = canary("what this suite and its issuer of tokens share")
JWT_ISSUER = "https://login.stagely.dev"
JWT_AUDIENCE = "stagely-rpc"

AUTHENTICATION = {"jwt_secret": JWT_SECRET, "jwt_issuer": JWT_ISSUER, "jwt_audience": JWT_AUDIENCE}
"""The settings of a server that takes these tokens."""


def token(subject: str, *permissions: str, secret: str = JWT_SECRET, **claims: Any) -> str:
    """Return a token that is valid for an hour; a claim that is given replaces the usual one, None leaves it out."""
    return jwt.encode(_claims(subject, permissions, claims), secret, "HS256")


def unsigned_token(subject: str, *permissions: str) -> str:
    """Return a token that is right in all but its algorithm: none."""
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
        # A token is as secret as what signs it, and is told by this wherever it turns up.
        "jti": MARKER,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}
