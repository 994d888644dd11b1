"""Server reflection (grpc.reflection.v1alpha) that also finds methods.

grpcurl looks up the symbol of a method to describe it. protobuf's descriptor pool finds services by symbol, but not
methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha import reflection

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc
    from google.protobuf.descriptor import FileDescriptor


REFLECTION_METHOD = f"/{reflection.SERVICE_NAME}/ServerReflectionInfo"


def enable_reflection(services: Iterable[str], server: grpc.aio.Server) -> None:
    """Enable server reflection."""
    names = (*services, reflection.SERVICE_NAME)
    pool = _MethodPool(descriptor_pool.Default())
    reflection.enable_server_reflection(names, server, pool=pool)  # type: ignore[arg-type]


class _MethodPool:
    """The part of a descriptor pool that reflection uses. It also finds methods."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool
        self.FindFileByName = pool.FindFileByName
        self.FindMessageTypeByName = pool.FindMessageTypeByName
        self.FindExtensionByNumber = pool.FindExtensionByNumber
        self.FindAllExtensions = pool.FindAllExtensions

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # noqa: N802
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            return self._pool.FindMethodByName(symbol).containing_service.file
