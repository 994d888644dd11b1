"""Counters of gRPC's core (channelz, gRFC A14). Only the core counts the calls that never reach Python."""

from __future__ import annotations

from grpc_channelz.v1.channelz import ChannelzServicer
from grpc_channelz.v1.channelz_pb2 import GetServerRequest, GetServersRequest


def server_ids() -> frozenset[int]:
    """Return the ids of this process's servers. The ids do not show which server is older."""
    found: set[int] = set()
    is_whole = False
    while not is_whole:
        page = ChannelzServicer.GetServers(GetServersRequest(start_server_id=max(found, default=0) + 1), None)
        found.update(server.ref.server_id for server in page.server)
        is_whole = page.end
    return frozenset(found)


def calls_started(server_id: int) -> int:
    """Return how many calls a server received, accepted or not."""
    answer = ChannelzServicer.GetServer(GetServerRequest(server_id=server_id), None)
    started: int = answer.server.data.calls_started
    return started
