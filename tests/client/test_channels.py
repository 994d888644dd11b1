"""How a client connects: where a token may go in the clear, and what TLS trusts and shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stagely_rpc import client
from stagely_rpc.client import Tls, connect, connect_sync
from stagely_rpc.client.channels import is_loopback
from tests.support.identity.certificates import make_authority, make_certificate, make_server_certificate, uri
from tests.support.rpc import running_server

if TYPE_CHECKING:
    from pathlib import Path

    from stagely_rpc.server.server import Server
    from tests.support.identity.certificates import Certificate

SOME_ID = "0b5a2a6e-54f0-4c0e-9f0b-7f1d5a0f3c11"
AUTHORITY = make_authority()
REAPER = make_certificate(AUTHORITY, uri("spiffe://stagely.dev/reaper"), common_name="reaper")


@pytest.mark.parametrize(
    "target",
    [
        "localhost:8080",
        "localhost",
        "127.0.0.1:8080",
        "127.8.9.1:8080",
        "[::1]:8080",
        "dns:///localhost:8080",
        "dns:localhost:8080",
        "ipv4:127.0.0.1:8080,127.0.0.2:8080",
        "ipv6:[::1]:8080",
        "unix:/run/stagely.sock",
        "unix:///run/stagely.sock",
        "unix-abstract:stagely",
    ],
)
def test_token_may_be_sent_in_plaintext_to_this_host(target: str) -> None:
    assert is_loopback(target)


@pytest.mark.parametrize(
    "target",
    [
        "stagely-rpc:8080",
        "dns:///stagely-rpc:8080",
        "dns://127.0.0.1/stagely-rpc:8080",
        "dns://8.8.8.8/localhost:8080",
        "10.0.0.1:8080",
        "0.0.0.0:8080",
        "127.0.0.1.example.com:8080",
        "localhost.example.com:8080",
        "ipv4:127.0.0.1:8080,10.0.0.1:8080",
        "[2001:db8::1]:8080",
        "xds:///localhost:8080",
        "",
    ],
)
def test_token_may_not_be_sent_in_plaintext_to_another_host(target: str) -> None:
    assert not is_loopback(target)
    with pytest.raises(ValueError, match=r"needs tls, or allow_plaintext_token=True") as refused:
        connect_sync(target, token="correct-horse")
    assert "correct-horse" not in str(refused.value)


async def test_token_is_sent_in_plaintext_if_allowed() -> None:
    async with connect("stagely-rpc:8080", token="abc", allow_plaintext_token=True) as stagely:
        assert repr(stagely) == "Stagely('stagely-rpc:8080')"


async def test_call_to_this_host_bypasses_proxies(
    server: Server, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    for name in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async with connect(f"127.0.0.1:{server.port}") as stagely:
        assert (await stagely.ids.generate()).id


def test_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^cert_file and key_file must be given together$"):
        Tls(cert_file=tmp_path / "tls.crt")
    with pytest.raises(FileNotFoundError):
        connect_sync("localhost:1", tls=Tls(ca_file=tmp_path / "missing"))


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    """The client's files."""
    return Tls(
        ca_file=written(tmp_path / "authority.crt", AUTHORITY.pem),
        cert_file=written(tmp_path / "reaper.crt", REAPER.pem),
        key_file=written(tmp_path / "reaper.key", REAPER.key),
    )


@pytest.fixture
def server_settings(tmp_path: Path) -> dict[str, object]:
    certificate: Certificate = make_server_certificate(AUTHORITY)
    permissions = b'[identities]\n"spiffe://stagely.dev/reaper" = ["ids.*"]\n'
    return {
        "tls_cert_file": written(tmp_path / "server.crt", certificate.pem),
        "tls_key_file": written(tmp_path / "server.key", certificate.key),
        "tls_client_ca_file": written(tmp_path / "clients.crt", AUTHORITY.pem),
        "permissions_file": written(tmp_path / "permissions.toml", permissions),
    }


def written(path: Path, contents: bytes) -> Path:
    path.write_bytes(contents)
    return path


async def test_certificate_identifies_the_caller(
    database_url: str, server_settings: dict[str, object], tls: Tls
) -> None:
    def call(target: str) -> str:
        with connect_sync(target, tls=tls) as stagely:
            return stagely.ids.generate().id

    async with running_server(database_url, **server_settings) as server:
        target = f"localhost:{server.port}"
        async with connect(target, tls=tls) as stagely:
            assert len((await stagely.ids.generate()).id) == 12
            with pytest.raises(client.PermissionDeniedError):
                await stagely.teams.get(SOME_ID)
        assert len(await asyncio.to_thread(call, target)) == 12


async def test_untrusted_authority_is_an_unavailable_service(
    database_url: str, server_settings: dict[str, object], tls: Tls, tmp_path: Path
) -> None:
    other = Tls(written(tmp_path / "other.crt", make_authority("other").pem), tls.cert_file, tls.key_file)

    async with running_server(database_url, **server_settings) as server:
        for untrusted in (other, True):
            async with connect(f"localhost:{server.port}", tls=untrusted) as stagely:
                with pytest.raises(client.UnavailableError):
                    await stagely.ids.generate()
