"""What callers send about users."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from stagely_rpc.fields import Email, Input, Name, ResourceId


def _avatar_url(text: str) -> str:
    if not re.fullmatch(r"https?://[!-~]+", text):
        raise ValueError("must be an http or https URL such as https://example.com/ada.png")
    return text


def _visible_ascii(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be visible ASCII characters, at least one")
    return text


AvatarUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_avatar_url)]

AccountId = Annotated[str, StringConstraints(max_length=100), AfterValidator(_visible_ascii)]
"""The id of an account at an identity provider, compared byte by byte."""


class UserLogin(Input):
    """Who logged in, as the identity provider tells it."""

    email: Email
    name: Name
    avatar_url: AvatarUrl | None = None
    github_id: AccountId | None = None
    google_id: AccountId | None = None
    email_verified: bool = False


class UserKey(Input):
    """Which user: by one of its keys."""

    id: ResourceId | None = None
    email: Email | None = None
    github_id: AccountId | None = None
    google_id: AccountId | None = None


class UserFilter(Input):
    """Which users to list."""

    is_active: bool | None = None
    team_id: ResourceId | None = None


class UserChanges(Input):
    """What of a user can be changed; the defaults are what a cleared field gets."""

    name: Name
    avatar_url: AvatarUrl | None = None
    is_active: bool = True
