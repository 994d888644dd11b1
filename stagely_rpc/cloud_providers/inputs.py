"""The requests of CloudProviderService as validated models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stagely_rpc.fields import Etag, Input, JsonObject, Label, ResourceId, Target, Text

ProviderType = Literal["aws", "gcp", "digitalocean", "hetzner", "linode"]


def _not_empty(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise ValueError("must not be empty")
    return value


ProviderName = Annotated[Label, StringConstraints(max_length=100)]
Region = Annotated[Label, StringConstraints(max_length=50)]
Credentials = Annotated[JsonObject, AfterValidator(_not_empty)]


class ProviderSettings(Input):
    """The fields of a cloud provider that are set at creation and can change. A cleared field gets its default."""

    name: ProviderName
    region: Region | None = None
    config: JsonObject = Field(default={})
    credentials: Credentials = Field(repr=False)


class NewProvider(ProviderSettings):
    """A cloud provider to create."""

    team_id: ResourceId
    provider_type: ProviderType


class ProviderChanges(ProviderSettings):
    """The fields of a cloud provider that can change. A cleared field gets its default."""

    is_active: bool = True


class TeamName(Input):
    """The name of a cloud provider in its team."""

    team_id: ResourceId
    name: ProviderName


class ProviderKey(Input):
    """The key of a cloud provider: its id, or its team and name."""

    id: ResourceId | None = None
    team_name: TeamName | None = None


class ProviderId(Input):
    """The id of a cloud provider."""

    id: ResourceId


class ProviderFilter(Input):
    """The filters of a list of cloud providers."""

    team_id: ResourceId | None = None
    provider_type: ProviderType | None = None
    is_active: bool | None = None


class ProviderDeletion(Input):
    """The deletion of a cloud provider."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False


class Validation(Target):
    """The result of a validation of credentials. They are valid if there is no error."""

    validation_error: Annotated[Text, StringConstraints(min_length=1, max_length=4096)] | None = None
