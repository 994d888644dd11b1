"""IdService over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import id_pb2, id_pb2_grpc
from stagely_rpc.ids import service
from stagely_rpc.ids.inputs import IdBatch, NewId
from stagely_rpc.wire.requests import parse

if TYPE_CHECKING:
    from stagely_rpc.wire.context import Context


class IdServicer(id_pb2_grpc.IdServiceServicer):
    """Short random ids."""

    async def GenerateId(self, request: id_pb2.GenerateIdRequest, context: Context) -> id_pb2.GenerateIdResponse:
        wanted = parse(NewId, request)
        return id_pb2.GenerateIdResponse(id=service.new_id(wanted.length))

    async def GenerateIds(self, request: id_pb2.GenerateIdsRequest, context: Context) -> id_pb2.GenerateIdsResponse:
        wanted = parse(IdBatch, request)
        return id_pb2.GenerateIdsResponse(ids=await service.new_ids(wanted))
