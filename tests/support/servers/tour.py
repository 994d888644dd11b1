"""A tour of every RPC, by a caller with all permissions."""

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
    """Call each RPC with each variant of its valid requests. Then check the audit log of the team."""
    world = await make_world(channel)
    for method in METHODS:
        for variant in range(len(SEEDS[method.name])):
            current = await Renewable(channel, method.name, world).ready()
            await call_rpc(channel, method.name, seed(method.name, current, variant))
    await expect_sealed_audit_log(channel, world.team.id)


async def expect_sealed_audit_log(channel: grpc.aio.Channel, team_id: str) -> None:
    """Wait until the audit log of a team is completely sealed and intact."""

    async def state() -> tuple[bool, int, bool]:
        last = await call_rpc(channel, "AuditService.VerifyAuditLog", audit_pb2.VerifyAuditLogRequest(team_id=team_id))
        verdict: audit_pb2.Verdict = last.verdict
        return verdict.head.position > 0, verdict.unsealed_count, verdict.HasField("fault")

    await eventually(state, (True, 0, False), seconds=30)
