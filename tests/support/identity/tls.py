"""A TLS server that returns the caller's identity, and clients for it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
from cryptography import x509

from stagely_rpc.interceptors.context import ContextInterceptor
from stagely_rpc.interceptors.errors import ErrorInterceptor
from stagely_rpc.transport.ports import add_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stagely_rpc.identity.callers import CertificateCallers
    from stagely_rpc.identity.certificates import ServerCertificates
    from stagely_rpc.wire.context import Context

CHECK_INTERVAL_SECONDS = 0.02
SEVERAL_CHECKS_SECONDS = 20 * CHECK_INTERVAL_SECONDS
RELOAD_FAILED = "reload failed: the previous version stays in use"


class WhoServicer:
    """Returns the caller's identity and permissions."""

    def __init__(self, callers: CertificateCallers | None) -> None:
        self._callers = callers

    async def am_i(self, request: bytes, context: Context) -> bytes:
        caller = self._callers.caller_of(context) if self._callers else None
        return f"{caller.service}: {' '.join(caller.permissions)}".encode() if caller else b"nobody"

    async def echo(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request

    def handler(self) -> grpc.GenericRpcHandler:
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "AmI": grpc.unary_unary_rpc_method_handler(self.am_i),
            "Echo": grpc.stream_stream_rpc_method_handler(self.echo),
        }
        return grpc.method_handlers_generic_handler("test.Who", methods)


@asynccontextmanager
async def tls_server(certificates: ServerCertificates, callers: CertificateCallers | None = None) -> AsyncIterator[int]:
    """Run a server that reloads its files when they change; yield its port."""
    server = grpc.aio.server(interceptors=[ContextInterceptor(), ErrorInterceptor()])
    server.add_generic_rpc_handlers([WhoServicer(callers).handler()])
    port = add_port(server, "127.0.0.1:0", certificates)
    await server.start()
    followers = [follower for follower in (certificates, callers) if follower]
    for follower in followers:
        follower.start()
    try:
        yield port
    finally:
        for follower in followers:
            follower.stop()
        await server.stop(None)


@asynccontextmanager
async def connected(port: int, credentials: grpc.ChannelCredentials) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel with a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
        yield channel


async def who_am_i(port: int, credentials: grpc.ChannelCredentials) -> str:
    """Return the identity and permissions of a caller, on a new connection."""
    async with connected(port, credentials) as channel:
        am_i: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Who/AmI")
        return (await am_i(b"", timeout=10)).decode()


async def is_admitted(port: int, credentials: grpc.ChannelCredentials) -> bool:
    """Return whether the server accepts a new connection."""
    try:
        await who_am_i(port, credentials)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def serial_shown_at(port: int) -> int:
    """Return the serial number of the certificate that the server presents on a new connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return x509.load_der_x509_certificate(shown).serial_number
