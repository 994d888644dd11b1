from __future__ import annotations

import asyncio
from typing import Any

import grpc

from stagely.v1 import id_pb2, id_pb2_grpc
from stagely_rpc.ids.servicer import IdServicer
from stagely_rpc.transport.handlers import without_registration


def waiting_for_calls() -> int:
    """Return the number of tasks of this loop that wait for a call of a registered method."""
    coroutines: list[Any] = [task.get_coro() for task in asyncio.all_tasks()]
    return [coroutine.__name__ for coroutine in coroutines].count("_request_registered_call")


async def test_methods_are_served_without_being_registered_by_name() -> None:
    waited_before = waiting_for_calls()
    server = grpc.aio.server()
    id_pb2_grpc.add_IdServiceServicer_to_server(IdServicer(), without_registration(server))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await id_pb2_grpc.IdServiceStub(channel).GenerateId(id_pb2.GenerateIdRequest(length=5), timeout=10)
        waits = waiting_for_calls() - waited_before
    await server.stop(None)

    assert len(answer.id) == 5
    assert waits == 0
