from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

from stagely_rpc.identity.certificates import ServerCertificates
from tests.support.eventually import eventually, logged
from tests.support.identity.certificates import (
    DAY,
    Files,
    channel_credentials,
    make_authority,
    make_certificate,
    make_server_certificate,
    replace,
    uri,
)
from tests.support.identity.tls import (
    CHECK_INTERVAL_SECONDS,
    RELOAD_FAILED,
    SEVERAL_CHECKS_SECONDS,
    connected,
    is_admitted,
    serial_shown_at,
    tls_server,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import grpc

AUTHORITY = make_authority()
OLD = make_server_certificate(AUTHORITY)
NEW = make_server_certificate(AUTHORITY)
EXPIRED = make_server_certificate(AUTHORITY, lifetime=(-2 * DAY, -DAY))
CLIENT = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/reaper"))


@asynccontextmanager
async def server_of(files: Files) -> AsyncIterator[int]:
    """Run a server that starts with the old certificate."""
    files.write(OLD)
    client_ca = files.client_ca if files.client_ca.exists() else None
    async with tls_server(
        ServerCertificates(files.cert, files.key, client_ca, check_interval_seconds=CHECK_INTERVAL_SECONDS)
    ) as port:
        assert await serial_shown_at(port) == OLD.serial
        yield port


async def test_new_connections_get_the_new_certificate_and_open_ones_continue(files: Files) -> None:
    async with server_of(files) as port, connected(port, channel_credentials(AUTHORITY)) as channel:
        echo: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/test.Who/Echo")
        call = echo()
        await call.write(b"before")
        assert await call.read() == b"before"

        files.write(NEW)
        await eventually(lambda: serial_shown_at(port), NEW.serial)

        await call.write(b"after")
        assert await call.read() == b"after"
        assert await is_admitted(port, channel_credentials(AUTHORITY))


async def test_calls_succeed_during_many_rotations(files: Files) -> None:
    async with server_of(files) as port:
        credentials = channel_credentials(AUTHORITY)

        async def change() -> None:
            for certificate in [OLD, NEW] * 20:
                files.cert.write_bytes(certificate.pem)
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)
                files.key.write_bytes(certificate.key)
                await asyncio.sleep(CHECK_INTERVAL_SECONDS)

        changing = asyncio.create_task(change())
        admitted = 0
        while not changing.done():
            assert await is_admitted(port, credentials)
            admitted += 1

        assert admitted > 10
        await changing


def half(contents: bytes) -> bytes:
    return contents[: len(contents) // 2]


@pytest.mark.parametrize(
    ("break_files", "reason"),
    [
        (lambda files: replace(files.key, half(NEW.key)), "TLS_KEY_FILE: "),
        (lambda files: replace(files.cert, half(NEW.pem)), "TLS_CERT_FILE: "),
        (lambda files: replace(files.cert, b""), "is empty"),
        (lambda files: replace(files.cert, NEW.pem), "is not the key of the certificate"),
        (lambda files: replace(files.key, NEW.key), "is not the key of the certificate"),
        (lambda files: files.cert.unlink(), "no such file or directory"),
        (lambda files: replace(files.cert, EXPIRED.pem), "expired at"),
    ],
)
async def test_broken_pair_is_logged_once_and_the_old_one_stays_until_it_is_fixed(
    files: Files, break_files: Callable[[Files], object], reason: str
) -> None:
    async with server_of(files) as port:
        with structlog.testing.capture_logs() as logs:
            break_files(files)
            await logged(logs, 1, event=RELOAD_FAILED)
            await asyncio.sleep(SEVERAL_CHECKS_SECONDS)
            assert await serial_shown_at(port) == OLD.serial
        (refusal,) = logs

        files.write(NEW)
        await eventually(lambda: serial_shown_at(port), NEW.serial)

    assert reason in refusal["reason"]
    assert str(files.cert) in refusal["files"]
    assert NEW.key.splitlines()[1].decode() not in repr(refusal)


async def test_restored_files_are_not_reloaded_and_a_later_fault_is_logged_again(files: Files) -> None:
    async with server_of(files) as port:
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                replace(files.key, b"")
                await asyncio.sleep(SEVERAL_CHECKS_SECONDS)
                replace(files.key, OLD.key)
                await asyncio.sleep(SEVERAL_CHECKS_SECONDS)
                assert await serial_shown_at(port) == OLD.serial

        assert [log["event"] for log in logs] == [RELOAD_FAILED, RELOAD_FAILED]


async def test_pair_replaced_as_kubernetes_does_is_reloaded(tmp_path: Path) -> None:
    """Kubernetes links the files into a directory, and replaces it by renaming one symbolic link."""
    for folder, certificate in (("one", OLD), ("two", NEW)):
        (tmp_path / folder).mkdir()
        Files(tmp_path / folder / "tls.crt", tmp_path / folder / "tls.key", tmp_path / "none").write(certificate)
    (tmp_path / "..data").symlink_to("one")
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    certificates = ServerCertificates(
        tmp_path / "tls.crt", tmp_path / "tls.key", check_interval_seconds=CHECK_INTERVAL_SECONDS
    )

    async with tls_server(certificates) as port:
        (tmp_path / "..new").symlink_to("two")
        (tmp_path / "..new").rename(tmp_path / "..data")

        await eventually(lambda: serial_shown_at(port), NEW.serial)


async def test_certificate_is_used_from_its_start_of_validity(files: Files) -> None:
    soon = make_server_certificate(AUTHORITY, lifetime=(dt.timedelta(seconds=2), DAY))
    async with server_of(files) as port:
        with structlog.testing.capture_logs() as logs:
            files.write(soon)
            await eventually(lambda: serial_shown_at(port), soon.serial)

    assert any(log["event"] == RELOAD_FAILED and "is not valid before" in log["reason"] for log in logs)


async def test_client_authorities_are_replaced_while_calls_continue(files: Files) -> None:
    other = make_authority("other")
    newcomer = make_certificate(other, uri("spiffe://stagely.dev/router"))
    old_client, new_client = channel_credentials(AUTHORITY, CLIENT), channel_credentials(AUTHORITY, newcomer)
    files.client_ca.write_bytes(AUTHORITY.pem)
    certificates_of_both = AUTHORITY.pem + other.pem
    async with server_of(files) as port, connected(port, old_client) as channel:
        am_i: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Who/AmI")
        await am_i(b"", timeout=10)
        assert not await is_admitted(port, new_client)

        files.client_ca.write_bytes(certificates_of_both)
        await eventually(lambda: is_admitted(port, new_client), expected=True)
        assert await is_admitted(port, old_client)

        files.client_ca.write_bytes(other.pem)
        await eventually(lambda: is_admitted(port, old_client), expected=False)
        assert await is_admitted(port, new_client)
        await am_i(b"", timeout=10)


async def test_tls_session_cannot_be_resumed_after_its_authority_is_removed(files: Files, tmp_path: Path) -> None:
    """A client that resumes a session (RFC 5246, 7.3) does not present its certificate again."""
    client_file = tmp_path / "client.pem"
    client_file.write_bytes(CLIENT.pem + CLIENT.key)
    client = ssl.create_default_context(cadata=AUTHORITY.pem.decode())
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.load_cert_chain(client_file)
    client.set_alpn_protocols(["h2"])
    files.client_ca.write_bytes(AUTHORITY.pem)
    async with server_of(files) as port:
        session, _ = await asyncio.to_thread(handshake, client, port, None)
        _, resumed = await asyncio.to_thread(handshake, client, port, session)
        assert resumed

        files.client_ca.write_bytes(make_authority("other").pem)
        await eventually(lambda: is_admitted(port, channel_credentials(AUTHORITY, CLIENT)), expected=False)

        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.to_thread(handshake, client, port, session)


def handshake(
    client: ssl.SSLContext, port: int, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool | None]:
    """Connect; return the session, and whether the given session was resumed."""
    with (
        socket.create_connection(("localhost", port), timeout=10) as plain,
        client.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
    ):
        return secure.session, secure.session_reused


@pytest.mark.parametrize("contents", [b"", half(AUTHORITY.pem), AUTHORITY.pem + half(AUTHORITY.pem)])
async def test_broken_authorities_leave_the_old_ones_in_use(files: Files, contents: bytes) -> None:
    files.client_ca.write_bytes(AUTHORITY.pem)
    async with server_of(files) as port:
        with structlog.testing.capture_logs() as logs:
            replace(files.client_ca, contents)
            (refusal,) = await logged(logs, 1, event=RELOAD_FAILED)

        assert refusal["reason"].startswith(f"TLS_CLIENT_CA_FILE: {files.client_ca}: ")
        assert await is_admitted(port, channel_credentials(AUTHORITY, CLIENT))
        assert not await is_admitted(port, channel_credentials(AUTHORITY))
