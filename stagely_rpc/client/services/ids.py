"""Id: see the service in the contract. Generated from protos/ by `make generate`. Do not edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely.v1 import id_pb2, id_pb2_grpc
from stagely_rpc.client.requests import build

if TYPE_CHECKING:
    from stagely_rpc.client.calls import Calls
    from stagely_rpc.client.sync_calls import SyncCalls


class Ids:
    """IdService generates short random ids: NanoIDs over `abcdefghijklmnopqrstuvwxyz0123456789`, which are valid in
    host names. An id of 12 characters has about 62 bits of randomness. The service stores nothing and needs no
    database.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._rpcs = id_pb2_grpc.IdServiceStub(calls.channel)

    async def generate(self, *, length: int | None = None, timeout: float | None = None) -> id_pb2.GenerateIdResponse:
        """GenerateId returns one id.

        Args:
            length: Length in characters, 0 to 64. Length 0 gives the empty id. Default: 12.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(id_pb2.GenerateIdRequest, {"length": length})
        return await self._calls.unary(self._rpcs.GenerateId, request, timeout)

    async def generate_many(
        self, *, count: int, length: int | None = None, timeout: float | None = None
    ) -> id_pb2.GenerateIdsResponse:
        """GenerateIds returns ids. All ids of a response are distinct.

        Codes:
        - INVALID_ARGUMENT: the count or the length is out of range, or there are fewer distinct ids of this length
          than `count`.

        Args:
            count: Required. 1 to 1,000; at most 36 of length 1, and 1 of length 0.
            length: Length of each id in characters, 0 to 64. Default: 12.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(id_pb2.GenerateIdsRequest, {"count": count, "length": length})
        return await self._calls.unary(self._rpcs.GenerateIds, request, timeout)


class SyncIds:
    """IdService generates short random ids: NanoIDs over `abcdefghijklmnopqrstuvwxyz0123456789`, which are valid in
    host names. An id of 12 characters has about 62 bits of randomness. The service stores nothing and needs no
    database.
    """

    def __init__(self, calls: SyncCalls) -> None:
        self._calls = calls
        self._rpcs = id_pb2_grpc.IdServiceStub(calls.channel)

    def generate(self, *, length: int | None = None, timeout: float | None = None) -> id_pb2.GenerateIdResponse:
        """GenerateId returns one id.

        Args:
            length: Length in characters, 0 to 64. Length 0 gives the empty id. Default: 12.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(id_pb2.GenerateIdRequest, {"length": length})
        return self._calls.unary(self._rpcs.GenerateId, request, timeout)

    def generate_many(
        self, *, count: int, length: int | None = None, timeout: float | None = None
    ) -> id_pb2.GenerateIdsResponse:
        """GenerateIds returns ids. All ids of a response are distinct.

        Codes:
        - INVALID_ARGUMENT: the count or the length is out of range, or there are fewer distinct ids of this length
          than `count`.

        Args:
            count: Required. 1 to 1,000; at most 36 of length 1, and 1 of length 0.
            length: Length of each id in characters, 0 to 64. Default: 12.
            timeout: seconds that the call may take, in place of the client's.
        """
        request = build(id_pb2.GenerateIdsRequest, {"count": count, "length": length})
        return self._calls.unary(self._rpcs.GenerateIds, request, timeout)
