"""The target, options and credentials of a channel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from stagely_rpc.client.retries import service_config
from stagely_rpc.client.services import SERVICES

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_RESPONSE_BYTES = 64 * 1024 * 1024

_SCHEME = re.compile(r"(?:(?P<scheme>[a-z][a-z0-9-]*):)?(?://(?P<authority>[^/]*)/)?(?P<addresses>.*)")
_SCHEMES = {"dns", "ipv4", "ipv6", "unix", "unix-abstract"}


@dataclass(frozen=True, slots=True)
class Tls:
    """The TLS files of a connection. They are read once, when the client connects.

    Attributes:
        ca_file: the trusted certificate authorities, in PEM. Default: gRPC's built-in authorities.
        cert_file: the client certificate with its chain, in PEM, if the service requires one (mTLS).
        key_file: the private key of the client certificate, in PEM.
    """

    ca_file: str | os.PathLike[str] | None = None
    cert_file: str | os.PathLike[str] | None = None
    key_file: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file must be given together")

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            OSError: a file can't be read.
        """
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_file),
            private_key=_read(self.key_file),
            certificate_chain=_read(self.cert_file),
        )


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


@cache
def options() -> tuple[tuple[str, str | int], ...]:
    """Return the options of every channel."""
    return (
        ("grpc.service_config", service_config(SERVICES)),
        ("grpc.enable_retries", 1),
        # gRPC silently disables retries for a request that exceeds this buffer.
        ("grpc.per_rpc_retry_buffer_size", MAX_REQUEST_BYTES),
        # Between connection attempts, calls fail at once. By default the attempts are up to 2 min apart, which retries
        # do not outlast.
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # Pings detect a silent peer within half a minute. The service allows a ping every 5 s.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        # Without this option, the ping timeout is a minute, and the option above has no effect.
        ("grpc.http2.ping_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
    )


def options_for(target: str) -> tuple[tuple[str, str | int], ...]:
    """Return the options of a channel. Connections to this host ignore the proxies of the environment."""
    return (*options(), ("grpc.enable_http_proxy", 0)) if is_loopback(target) else options()


def credentials(
    *, target: str, tls: bool | Tls, has_token: bool, allow_plaintext: bool
) -> grpc.ChannelCredentials | None:
    """Return the credentials of a channel; None without TLS.

    Raises:
        OSError: a file of the certificates can't be read.
        ValueError: a token would be sent over the network in plaintext. Allow it only if the network encrypts, as a
            service mesh does.
    """
    if tls:
        return (Tls() if tls is True else tls).credentials()
    if has_token and not allow_plaintext and not is_loopback(target):
        raise ValueError(
            f"a token for {target} needs tls, or allow_plaintext_token=True if the network itself encrypts"
        )
    return None


def is_loopback(target: str) -> bool:
    """Return whether every address of a target, in gRPC's syntax, is on this host."""
    found = _SCHEME.fullmatch(target)
    assert found is not None
    if found["scheme"] in {"unix", "unix-abstract"}:
        return True
    if found["authority"]:
        # A name server that the target names decides where `localhost` is.
        return False
    addresses = found["addresses"] if found["scheme"] in _SCHEMES else target
    return all(_is_local(host) for host in _hosts(addresses))


def _hosts(addresses: str) -> Iterator[str]:
    for address in addresses.split(","):
        bracketed = re.match(r"\[(.*)\]", address)
        yield bracketed[1] if bracketed else address.rsplit(":", 1)[0]


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
