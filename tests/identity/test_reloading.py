from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
import structlog

from stagely_rpc.identity import reloading
from stagely_rpc.identity.callers import CertificateCallers
from stagely_rpc.identity.certificates import ServerCertificates
from tests.support.eventually import eventually
from tests.support.identity.certificates import (
    DAY,
    Files,
    channel_credentials,
    make_authority,
    make_certificate,
    make_server_certificate,
    uri,
)
from tests.support.identity.tls import (
    CHECK_INTERVAL_SECONDS,
    RELOAD_FAILED,
    SEVERAL_CHECKS_SECONDS,
    is_admitted,
    tls_server,
    who_am_i,
)

if TYPE_CHECKING:
    from pathlib import Path

AUTHORITY = make_authority()
SERVER = make_server_certificate(AUTHORITY)
CLIENT = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/reaper"))


@pytest.mark.parametrize(
    ("lifetime", "events"),
    [
        ((-300 * DAY, 13 * DAY), ["the certificate expires soon"]),
        ((-300 * DAY, 15 * DAY), []),
        # Issued for an hour, halfway through its lifetime: nothing to warn about yet.
        ((-dt.timedelta(minutes=30), dt.timedelta(minutes=30)), []),
        ((-dt.timedelta(minutes=50), dt.timedelta(minutes=10)), ["the certificate expires soon"]),
        ((-DAY, dt.timedelta(seconds=3)), ["the certificate expires soon", "the certificate has expired"]),
    ],
)
async def test_expiry_of_the_certificate_is_logged_once(
    files: Files, lifetime: tuple[dt.timedelta, dt.timedelta], events: list[str]
) -> None:
    files.write(make_server_certificate(AUTHORITY, lifetime=lifetime))
    certificates = ServerCertificates(files.cert, files.key, check_interval_seconds=CHECK_INTERVAL_SECONDS)
    with structlog.testing.capture_logs() as logs:
        async with tls_server(certificates):

            async def logged_events() -> list[str]:
                return [log["event"] for log in logs]

            await eventually(logged_events, events, seconds=10)
            await asyncio.sleep(SEVERAL_CHECKS_SECONDS)
            assert await logged_events() == events

    assert all(log["log_level"] == "warning" and log["file"] == str(files.cert) for log in logs)


async def test_changed_permissions_file_is_reloaded_and_a_broken_one_is_ignored(files: Files, tmp_path: Path) -> None:
    permissions = tmp_path / "permissions.toml"
    permissions.write_text('[identities]\n"spiffe://stagely.dev/reaper" = ["environments.*"]\n')
    files.write(SERVER)
    files.client_ca.write_bytes(AUTHORITY.pem)
    certificates = ServerCertificates(files.cert, files.key, files.client_ca)
    callers = CertificateCallers(permissions, check_interval_seconds=CHECK_INTERVAL_SECONDS)
    async with tls_server(certificates, callers) as port:

        async def held() -> str:
            return (await who_am_i(port, channel_credentials(AUTHORITY, CLIENT))).rpartition(": ")[2]

        assert await held() == "environments.*"

        with structlog.testing.capture_logs() as logs:
            for broken in ("[identities", '[identities]\n"a" = ["*.*"]\n', "[" * 10_000):
                permissions.write_text(broken)
                await asyncio.sleep(SEVERAL_CHECKS_SECONDS)
                assert await held() == "environments.*"
        assert {log["event"] for log in logs if log.get("what") == "permissions"} == {RELOAD_FAILED}

        permissions.write_text('[identities]\n"spiffe://stagely.dev/reaper" = ["teams.get"]\n')
        await eventually(held, "teams.get")

        permissions.write_text("[identities]\n")
        await eventually(held, "")


def test_change_while_loading_is_seen_by_the_next_check(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    next_texts = iter(["two", "three"])

    def load() -> str:
        found = file.read_text()
        file.write_text(next(next_texts, found))
        return found

    value = reloading.ReloadedValue([file], load, load_error=OSError, name="text")
    seen = [value.value]
    for _ in range(3):
        value.check()
        seen.append(value.value)

    assert seen == ["one", "two", "three", "three"]


async def test_hanging_disk_blocks_no_handshake_and_no_shutdown(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = asyncio.Event()
    released = threading.Event()
    loop = asyncio.get_running_loop()

    def hang(_: Path) -> bytes:
        loop.call_soon_threadsafe(hangs.set)
        released.wait()
        return b""

    files.write(SERVER)
    certificates = ServerCertificates(files.cert, files.key, check_interval_seconds=CHECK_INTERVAL_SECONDS)
    async with tls_server(certificates) as port:
        monkeypatch.setattr(reloading, "read_regular_file", hang)
        await asyncio.wait_for(hangs.wait(), 5)

        assert await asyncio.wait_for(is_admitted(port, channel_credentials(AUTHORITY)), 5)
    released.set()
