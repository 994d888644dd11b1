from __future__ import annotations

import asyncio
import ssl
import warnings
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from stagely_rpc.identity.callers import CertificateCallers
from stagely_rpc.identity.certificates import ServerCertificates
from tests.support import http2
from tests.support.identity.certificates import (
    DAY,
    channel_credentials,
    dns,
    make_authority,
    make_certificate,
    make_server_certificate,
    uri,
)
from tests.support.identity.tls import connected, is_admitted, tls_server, who_am_i
from tests.support.refusals import refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cryptography import x509

    from tests.support.identity.certificates import Certificate, Files

AUTHORITY = make_authority()
REAPER = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/reaper"), dns("reaper.example"), common_name="reaper")
PERMISSIONS = """
[identities]
"spiffe://stagely.dev/reaper" = ["environments.*"]
"router.example" = ["environments.get", "projects.get"]
"build runner" = ["projects.get"]
"""


@pytest.fixture
def permissions_file(tmp_path: Path) -> Path:
    file = tmp_path / "permissions.toml"
    file.write_text(PERMISSIONS)
    return file


@pytest.fixture
async def port(files: Files, permissions_file: Path) -> AsyncIterator[int]:
    """The port of a server that requires a client certificate of the authority."""
    files.write(make_server_certificate(AUTHORITY))
    files.client_ca.write_bytes(AUTHORITY.pem)
    certificates = ServerCertificates(files.cert, files.key, files.client_ca)
    async with tls_server(certificates, CertificateCallers(permissions_file)) as port:
        yield port


@pytest.mark.parametrize(
    ("names", "common_name", "caller"),
    [
        ([uri("spiffe://stagely.dev/reaper")], "", "spiffe://stagely.dev/reaper: environments.*"),
        ([dns("router.example")], "reaper", "router.example: environments.get projects.get"),
        ([], "build runner", "build runner: projects.get"),
    ],
)
async def test_certificate_gives_the_identity_and_the_file_its_permissions(
    port: int, names: list[x509.GeneralName], common_name: str, caller: str
) -> None:
    client = make_certificate(AUTHORITY, *names, common_name=common_name)

    assert await who_am_i(port, channel_credentials(AUTHORITY, client)) == caller


async def test_identity_that_is_not_in_the_file_has_no_permissions(port: int) -> None:
    client = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/new"))

    assert await who_am_i(port, channel_credentials(AUTHORITY, client)) == "spiffe://stagely.dev/new: "


def untrusted_clients() -> dict[str, Certificate | None]:
    same_name = make_authority()
    return {
        "no certificate": None,
        "another authority of the same name": make_certificate(same_name, common_name="build runner"),
        "its own authority": make_certificate(None, common_name="build runner"),
        "expired": make_certificate(AUTHORITY, common_name="build runner", lifetime=(-2 * DAY, -DAY)),
        "not valid yet": make_certificate(AUTHORITY, common_name="build runner", lifetime=(DAY, 2 * DAY)),
        "issued by a caller": make_certificate(REAPER, common_name="build runner"),
        "a server's": make_certificate(AUTHORITY, common_name="build runner", usage=ExtendedKeyUsageOID.SERVER_AUTH),
    }


@pytest.mark.parametrize("client", untrusted_clients())
async def test_untrusted_client_cannot_connect(port: int, client: str) -> None:
    assert not await is_admitted(port, channel_credentials(AUTHORITY, untrusted_clients()[client]))
    assert await is_admitted(port, channel_credentials(AUTHORITY, REAPER))


@pytest.mark.parametrize(
    "names",
    [
        [uri("spiffe://stagely.dev/reaper"), uri("spiffe://stagely.dev/router")],
        [uri("https://stagely.dev/reaper"), dns("router.example")],
        # gRPC's own parser would return the reaper's identity for this.
        [uri("spiffe://stagely.dev/reaper\0/mine")],
    ],
)
async def test_certificate_with_an_invalid_identity_is_refused(port: int, names: list[x509.GeneralName]) -> None:
    client = make_certificate(AUTHORITY, *names)

    with refused(grpc.StatusCode.UNAUTHENTICATED, reason="CERTIFICATE_IDENTITY_INVALID"):
        await who_am_i(port, channel_credentials(AUTHORITY, client))


async def test_client_that_does_not_trust_the_server_cannot_connect(port: int) -> None:
    assert not await is_admitted(port, channel_credentials(make_authority(), REAPER))


async def test_without_client_authorities_no_certificate_is_needed(files: Files) -> None:
    files.write(make_server_certificate(AUTHORITY))

    async with tls_server(ServerCertificates(files.cert, files.key), CertificateCallers(None)) as port:
        assert await who_am_i(port, channel_credentials(AUTHORITY)) == "nobody"
        # The server requested no certificate, so it verified none and ignores this one.
        assert await who_am_i(port, channel_credentials(AUTHORITY, REAPER)) == "nobody"


async def handshake(port: int, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    # Without this, OpenSSL would not offer the old versions.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("localhost", port, ssl=context)
    found: str | None = writer.get_extra_info("ssl_object").version()
    writer.transport.abort()
    return found


async def test_tls_1_2_is_the_minimum(files: Files) -> None:
    files.write(make_server_certificate(AUTHORITY))

    async with tls_server(ServerCertificates(files.cert, files.key)) as port:
        # The server sends an alert or closes the connection. Any other error comes from the client, which then never
        # offered TLS 1.1.
        with pytest.raises((ssl.SSLError, ConnectionResetError), match=r"PROTOCOL_VERSION|^$"):
            await handshake(port, ssl.TLSVersion.TLSv1_1)
        assert await handshake(port, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"


async def test_plaintext_client_gets_no_response_and_does_not_disturb_others(port: int) -> None:
    credentials = channel_credentials(AUTHORITY, REAPER)
    async with connected(port, credentials) as neighbour:
        am_i: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = neighbour.unary_unary("/test.Who/AmI")
        before = await am_i(b"", timeout=10)
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(http2.call(http2.message(b"")))
            answer = await asyncio.wait_for(_until_closed(reader), 10)
            writer.close()

            assert http2.payloads(answer, http2.HEADERS) == []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            plain: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Who/AmI")
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await plain(b"", timeout=10)

        assert await am_i(b"", timeout=10) == before
    assert await is_admitted(port, credentials)


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
