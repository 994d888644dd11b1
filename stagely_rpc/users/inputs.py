"""The requests of UserService as validated models."""

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
        raise ValueError("must be one or more visible ASCII characters")
    return text


AvatarUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_avatar_url)]

AccountId = Annotated[str, StringConstraints(max_length=100), AfterValidator(_visible_ascii)]
"""The id of an account at an identity provider. Case-sensitive."""


class UserLogin(Input):
    """A login, as the identity provider reports it."""

    email: Email
    name: Name
    avatar_url: AvatarUrl | None = None
    github_id: AccountId | None = None
    google_id: AccountId | None = None
    email_verified: bool = False


class UserKey(Input):
    """The key of a user: its id, e-mail address, GitHub id or Google id."""

    id: ResourceId | None = None
    email: Email | None = None
    github_id: AccountId | None = None
    google_id: AccountId | None = None


class UserFilter(Input):
    """The filters of a list of users."""

    is_active: bool | None = None
    team_id: ResourceId | None = None


class UserChanges(Input):
    """The fields of a user that can change. A cleared field gets its default."""

    name: Name
    avatar_url: AvatarUrl | None = None
    is_active: bool = True
