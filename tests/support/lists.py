"""The List RPCs: adding rows to a list, and reading all pages of a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.methods import METHOD
from tests.support.seeds import seed
from tests.support.world import (
    call_rpc,
    new_environment,
    new_project,
    new_provider,
    new_secret,
    new_team,
    new_user,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import grpc
    from google.protobuf.message import Message

    from tests.support.world import Renewal, World


@dataclass(frozen=True)
class Listing:
    """A List RPC, and how to add rows to its list.

    Attributes:
        field: the filter that excludes the rows of other worlds.
        table: the table of the rows.
        add: creates one more row.
        created: the field and column with the creation time of a row.
    """

    field: str
    table: str
    add: Renewal
    created: str = "created_at"

    def sort_key(self, row: Any) -> tuple[int, str]:
        """Return the sort key of a row: its creation time in nanoseconds, then its id."""
        return getattr(row, self.created).ToNanoseconds(), row.id


async def _join_new_team(channel: grpc.aio.Channel, world: World) -> World:
    world = await new_team(channel, world)
    await call_rpc(channel, "TeamService.AddTeamMember", seed("TeamService.AddTeamMember", world))
    return world


async def _add_new_member(channel: grpc.aio.Channel, world: World) -> World:
    world = await new_user(channel, world)
    await call_rpc(channel, "TeamService.AddTeamMember", seed("TeamService.AddTeamMember", world))
    return world


LISTINGS = {
    "TeamService.ListTeams": Listing("user_id", "teams", _join_new_team),
    "TeamService.ListTeamMembers": Listing("team_id", "team_members", _add_new_member),
    "UserService.ListUsers": Listing("team_id", "users", _add_new_member),
    "CloudProviderService.ListCloudProviders": Listing("team_id", "cloud_providers", new_provider),
    "ProjectService.ListProjects": Listing("team_id", "projects", new_project),
    "EnvironmentService.ListEnvironments": Listing("project_id", "environments", new_environment),
    "SecretService.ListSecrets": Listing("project_id", "secrets", new_secret),
    "AuditService.ListAuditLogs": Listing("team_id", "audit_logs", new_secret, created="timestamp"),
}


def list_request(name: str, world: World) -> Any:
    """Return the request that lists every row of a world."""
    field = LISTINGS[name].field
    return METHOD[name].request(**{field: getattr(seed(name, world), field)})


def with_changes(request: Message, **changes: object) -> Any:
    """Return a copy of a request with some fields changed."""
    copy = type(request)()
    copy.CopyFrom(request)
    copy.MergeFrom(type(request)(**changes))
    return copy


def rows_of(response: Message) -> list[Any]:
    """Return the rows of a page, which are its only repeated field. For a count, return that many numbers."""
    if "count" in response.DESCRIPTOR.fields_by_name:
        return list(range(response.count))  # type: ignore[attr-defined]
    (field,) = (field for field in response.DESCRIPTOR.fields if field.is_repeated)
    return list(getattr(response, field.name))


async def walk(
    channel: grpc.aio.Channel,
    name: str,
    request: Message,
    page_size: int,
    between_pages: Callable[[], Awaitable[object]] | None = None,
) -> list[Any]:
    """Return the rows of all pages, in list order."""
    rows: list[Any] = []
    token = ""
    while True:
        page = await call_rpc(channel, name, with_changes(request, page_size=page_size, page_token=token))
        assert len(rows_of(page)) <= page_size
        rows += rows_of(page)
        token = page.next_page_token
        if not token:
            return rows
        if between_pages:
            await between_pages()
