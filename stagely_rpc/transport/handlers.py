"""Adds servicers so that the cost of a call does not depend on the number of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc


def without_registration(server: grpc.aio.Server) -> grpc.aio.Server:
    """Return a stand-in for the server. Pass it to the generated `add_…Servicer_to_server` functions.

    The generated functions register each method twice: among the generic handlers and by name. For methods registered
    by name, grpc.aio iterates over one future per method at every call. The stand-in registers only generic handlers,
    which have no such cost.
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
        """Do nothing: the methods are among the generic handlers."""
