"""What callers send about projects."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stagely_rpc.fields import Etag, GitRef, Input, JsonObject, Name, ResourceId, Slug

Provider = Literal["github", "gitlab", "bitbucket"]
Size = Literal["small", "medium", "large", "xlarge"]

# No part begins with a hyphen: ssh and git would take it for an option. No http URL has a user: that can be a token.
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PATH = r"[!-~]+"
_REPO_URL = re.compile(
    rf"(?:(?:https?|git)://|ssh://(?:{_USER}@)?){_HOST}(?::[0-9]{{1,5}})?/{_PATH}|{_USER}@{_HOST}:(?!-){_PATH}"
)


def _repo_url(text: str) -> str:
    if not _REPO_URL.fullmatch(text) or "?" in text or "#" in text:
        raise ValueError(
            "must be the URL of a git repository such as https://github.com/acme/web.git or git@github.com:acme/web.git"
            " without credentials, query and fragment"
        )
    return text


RepoUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_repo_url)]
"""Where a repository is cloned from. A password or token in it would be shown to whoever reads the project."""


class ProjectSettings(Input):
    """What of a project is chosen at its creation and can change; the defaults are what a cleared field gets."""

    name: Name
    repo_url: RepoUrl
    repo_provider: Provider = "github"
    default_branch: Annotated[GitRef, StringConstraints(max_length=100)] = "main"
    cloud_provider_id: ResourceId | None = None
    default_preview_size: Size = "medium"
    config: JsonObject = Field(default={})


class NewProject(ProjectSettings):
    """A project to create."""

    team_id: ResourceId
    slug: Slug


class ProjectChanges(ProjectSettings):
    """What of a project can be changed."""

    is_active: bool = True


class TeamSlug(Input):
    """A project's slug, in its team."""

    team_id: ResourceId
    slug: Slug


class ProjectKey(Input):
    """Which project: by one of its keys."""

    id: ResourceId | None = None
    team_slug: TeamSlug | None = None


class ProjectFilter(Input):
    """Which projects to list."""

    team_id: ResourceId | None = None
    repo_url: RepoUrl | None = None
    cloud_provider_id: ResourceId | None = None
    is_active: bool | None = None


class ProjectDeletion(Input):
    """Which project to delete."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False
