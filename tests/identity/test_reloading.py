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
    LOOK_EVERY_SECONDS,
    REFUSED,
    SEVERAL_LOOKS_SECONDS,
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
        # Issued for an hour and half over, as it is renewed: nothing is wrong.
        ((-dt.timedelta(minutes=30), dt.timedelta(minutes=30)), []),
        ((-dt.timedelta(minutes=50), dt.timedelta(minutes=10)), ["the certificate expires soon"]),
        ((-DAY, dt.timedelta(seconds=3)), ["the certificate expires soon", "the certificate has expired"]),
    ],
)
async def test_end_of_the_certificate_is_told_once(
    files: Files, lifetime: tuple[dt.timedelta, dt.timedelta], events: list[str]
) -> None:
    files.write(make_server_certificate(AUTHORITY, lifetime=lifetime))
    certificates = ServerCertificates(files.cert, files.key, look_every_seconds=LOOK_EVERY_SECONDS)
    with structlog.testing.capture_logs() as logs:
        async with tls_server(certificates):

            async def told() -> list[str]:
                return [log["event"] for log in logs]

            await eventually(told, events, seconds=10)
            await asyncio.sleep(SEVERAL_LOOKS_SECONDS)
            assert await told() == events

    assert all(log["log_level"] == "warning" and log["file"] == str(files.cert) for log in logs)


async def test_permissions_follow_their_file_and_a_broken_one_changes_nothing(files: Files, tmp_path: Path) -> None:
    permissions = tmp_path / "permissions.toml"
    permissions.write_text('[identities]\n"spiffe://stagely.dev/reaper" = ["environments.*"]\n')
    files.write(SERVER)
    files.client_ca.write_bytes(AUTHORITY.pem)
    certificates = ServerCertificates(files.cert, files.key, files.client_ca)
    callers = CertificateCallers(permissions, look_every_seconds=LOOK_EVERY_SECONDS)
    async with tls_server(certificates, callers) as port:

        async def held() -> str:
            return (await who_am_i(port, channel_credentials(AUTHORITY, CLIENT))).rpartition(": ")[2]

        assert await held() == "environments.*"

        with structlog.testing.capture_logs() as logs:
            for broken in ("[identities", '[identities]\n"a" = ["*.*"]\n', "[" * 10_000):
                permissions.write_text(broken)
                await asyncio.sleep(SEVERAL_LOOKS_SECONDS)
                assert await held() == "environments.*"
        assert {log["event"] for log in logs if log.get("what") == "permissions"} == {REFUSED}

        permissions.write_text('[identities]\n"spiffe://stagely.dev/reaper" = ["teams.get"]\n')
        await eventually(held, "teams.get")

        permissions.write_text("[identities]\n")
        await eventually(held, "")


def test_change_while_the_files_are_read_is_seen_at_the_next_look(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    following = iter(["two", "three"])

    def load() -> str:
        found = file.read_text()
        file.write_text(next(following, found))
        return found

    value = reloading.Reloading([file], load, fault=OSError, what="text")
    seen = [value.value]
    for _ in range(3):
        value.look()
        seen.append(value.value)

    assert seen == ["one", "two", "three", "three"]


async def test_disk_that_hangs_holds_up_no_handshake_and_no_end(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = asyncio.Event()
    released = threading.Event()
    loop = asyncio.get_running_loop()

    def hang(_: Path) -> bytes:
        loop.call_soon_threadsafe(hangs.set)
        released.wait()
        return b""

    files.write(SERVER)
    certificates = ServerCertificates(files.cert, files.key, look_every_seconds=LOOK_EVERY_SECONDS)
    async with tls_server(certificates) as port:
        monkeypatch.setattr(reloading, "contents_of", hang)
        await asyncio.wait_for(hangs.wait(), 5)

        assert await asyncio.wait_for(is_admitted(port, channel_credentials(AUTHORITY)), 5)
    released.set()
