"""Valid requests that every caller with access to the RPC may make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import team_pb2
from tests.support.lists import LISTINGS, list_request
from tests.support.seeds import seed

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.support.methods import Method
    from tests.support.world import World


def request_of(method: Method, world: World, variant: int) -> Message:
    """Return a valid request that needs nothing beyond the RPC's policy, such as a higher rank."""
    if method.name in LISTINGS:
        request: Message = list_request(method.name, world)
        return request
    request = seed(method.name, world, variant)
    if isinstance(request, team_pb2.AddTeamMemberRequest | team_pb2.UpdateTeamMemberRequest):
        request.role = team_pb2.TEAM_ROLE_VIEWER
    if "created_by" in method.input.fields_by_name:
        request.ClearField("created_by")
    return request
