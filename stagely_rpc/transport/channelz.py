"""What gRPC's core counts of a server (channelz, gRFC A14): it alone knows of the calls that never reach Python."""

from __future__ import annotations

from grpc_channelz.v1.channelz import ChannelzServicer
from grpc_channelz.v1.channelz_pb2 import GetServerRequest, GetServersRequest


def server_ids() -> frozenset[int]:
    """Return the ids of the servers that this process has. They tell nothing of which one is older."""
    found: set[int] = set()
    is_whole = False
    while not is_whole:
        page = ChannelzServicer.GetServers(GetServersRequest(start_server_id=max(found, default=0) + 1), None)
        found.update(server.ref.server_id for server in page.server)
        is_whole = page.end
    return frozenset(found)


def calls_begun(server_id: int) -> int:
    """Return how many calls a server was sent, whether or not it took them on."""
    answer = ChannelzServicer.GetServer(GetServerRequest(server_id=server_id), None)
    begun: int = answer.server.data.calls_started
    return begun
