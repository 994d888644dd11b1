"""What callers send about cloud providers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from stagely_rpc.fields import Etag, Input, JsonObject, Label, ResourceId, Target, Text

Kind = Literal["aws", "gcp", "digitalocean", "hetzner", "linode"]


def _not_empty(value: dict[str, Any]) -> dict[str, Any]:
    if not value:
        raise ValueError("must not be empty")
    return value


ProviderName = Annotated[Label, StringConstraints(max_length=100)]
Region = Annotated[Label, StringConstraints(max_length=50)]
Credentials = Annotated[JsonObject, AfterValidator(_not_empty)]


class ProviderSettings(Input):
    """What of a cloud provider is chosen at its creation and can change; the defaults are what a cleared field gets."""

    name: ProviderName
    region: Region | None = None
    config: JsonObject = Field(default={})
    credentials: Credentials = Field(repr=False)


class NewProvider(ProviderSettings):
    """A cloud provider to create."""

    team_id: ResourceId
    provider_type: Kind


class ProviderChanges(ProviderSettings):
    """What of a cloud provider can be changed."""

    is_active: bool = True


class TeamName(Input):
    """A cloud provider's name, in its team."""

    team_id: ResourceId
    name: ProviderName


class ProviderKey(Input):
    """Which cloud provider: by one of its keys."""

    id: ResourceId | None = None
    team_name: TeamName | None = None


class ProviderId(Input):
    """Which cloud provider, by its id alone."""

    id: ResourceId


class ProviderFilter(Input):
    """Which cloud providers to list."""

    team_id: ResourceId | None = None
    provider_type: Kind | None = None
    is_active: bool | None = None


class ProviderDeletion(Input):
    """Which cloud provider to delete."""

    id: ResourceId
    etag: Etag = ""
    force: bool = False


class Validation(Target):
    """Whether the credentials of a cloud provider work: they do without an error."""

    validation_error: Annotated[Text, StringConstraints(min_length=1, max_length=4096)] | None = None
