"""The requests of ProjectService as validated models."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stagely_rpc.fields import Etag, GitRef, Input, JsonObject, Name, ResourceId, Slug

Provider = Literal["github", "gitlab", "bitbucket"]
Size = Literal["small", "medium", "large", "xlarge"]

# A part must not start with a hyphen, because ssh and git would read it as an option. An http URL must not have a user,
# which can be a token.
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
            " without credentials, query or fragment"
        )
    return text


RepoUrl = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_repo_url)]
"""The clone URL of a repository. It must not contain credentials, because every reader of the project sees it."""


class ProjectSettings(Input):
    """The fields of a project that are set at creation and can change. A cleared field gets its default."""

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
    """The fields of a project that can change. A cleared field gets its default."""

    is_active: bool = True


class TeamSlug(Input):
    """The slug of a project in its team."""

    team_id: ResourceId
    slug: Slug


class ProjectKey(Input):
    """The key of a project: its id, or its team and slug."""

    id: ResourceId | None = None
    team_slug: TeamSlug | None = None


class ProjectFilter(Input):
    """The filters of a list of projects."""

    team_id: ResourceId | None = None
    repo_url: RepoUrl | None = None
    cloud_provider_id: ResourceId | None = None
    is_active: bool | None = None


class ProjectDeletion(Input):
    """The deletion of a project."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False
