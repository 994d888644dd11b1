"""Adds servicers to a server so that the cost of a call does not grow with the number of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc


def without_registration(server: grpc.aio.Server) -> grpc.aio.Server:
    """Return a stand-in for the server, to which generated code adds servicers.

    Generated code gives a server each handler twice, and registers every method by name. grpc.aio then waits for calls
    with a future for each method, and goes over all of these futures at every call. Found among the generic handlers, a
    method costs nothing: interceptors ask once.
    """
    return cast("grpc.aio.Server", _GenericHandlers(server))


class _GenericHandlers:
    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(
        self, service_name: str, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]
    ) -> None:
        """Leave the methods unregistered: they are in the generic handlers too."""
