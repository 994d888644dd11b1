"""A tour of every RPC, as an operator makes it who may do everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import audit_pb2
from tests.support.eventually import eventually
from tests.support.methods import METHODS
from tests.support.seeds import SEEDS, seed
from tests.support.world import Renewable, call_rpc, make_world

if TYPE_CHECKING:
    import grpc


async def tour(channel: grpc.aio.Channel) -> None:
    """Call each RPC with all its kinds of request, each of which is granted; what it leaves in the trail is whole."""
    world = await make_world(channel)
    for method in METHODS:
        for variant in range(len(SEEDS[method.name])):
            about = await Renewable(channel, method.name, world).ready()
            await call_rpc(channel, method.name, seed(method.name, about, variant))
    await expect_whole_trail(channel, world.team.id)


async def expect_whole_trail(channel: grpc.aio.Channel, team_id: str) -> None:
    """Expect that the audit trail of a team is sealed to its end in time, and intact."""

    async def state() -> tuple[bool, int, bool]:
        last = await call_rpc(channel, "AuditService.VerifyAuditLog", audit_pb2.VerifyAuditLogRequest(team_id=team_id))
        verdict: audit_pb2.Verdict = last.verdict
        return verdict.head.position > 0, verdict.unsealed_count, verdict.HasField("fault")

    await eventually(state, (True, 0, False), seconds=30)
