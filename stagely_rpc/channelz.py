"""What gRPC's core counts of a server (channelz, gRFC A14): it alone knows of the calls that never reach Python."""

from __future__ import annotations

from grpc_channelz.v1.channelz import ChannelzServicer
from grpc_channelz.v1.channelz_pb2 import GetServerRequest, GetServersRequest


def newest_server() -> int:
    """Return the id of the server that this process has made last; the core numbers all that it has upwards."""
    newest, has_more = 0, True
    while has_more:
        page = ChannelzServicer.GetServers(GetServersRequest(start_server_id=newest + 1), None)
        newest = max((server.ref.server_id for server in page.server), default=newest)
        has_more = not page.end
    return newest


def calls_begun(server_id: int) -> int:
    """Return how many calls a server was sent, whether or not it took them on."""
    answer = ChannelzServicer.GetServer(GetServerRequest(server_id=server_id), None)
    begun: int = answer.server.data.calls_started
    return begun
