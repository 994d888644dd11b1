"""A traced call, and its spans."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import grpc

from stagely.v1 import team_pb2, team_pb2_grpc
from tests.support.refusals import refused

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from tests.support.telemetry.collector import Collector

GET_TEAM = "stagely.v1.TeamService/GetTeam"
PARENT_ID = "b7ad6b7169203331"
"""The id of the caller's span."""


def only(collector: Collector, name: str) -> Span:
    [span] = collector.named(name)
    return span


async def get_team(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> None:
    with refused(grpc.StatusCode.NOT_FOUND):
        await team_pb2_grpc.TeamServiceStub(channel).GetTeam(
            team_pb2.GetTeamRequest(slug=f"nobody-{uuid.uuid4()}"), metadata=metadata
        )
