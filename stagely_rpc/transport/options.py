"""The options of gRPC's core: how long connections live, and how much may come over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagely_rpc.settings.model import Settings

UNSHED_CALLS, MAX_PENDING_CALLS = 400, 500
"""How many calls may wait to be taken on: up to the first, none is shed, and beyond the second, each."""

OPTIONS = (
    # Keepalive pings of clients, which send them every 10 s at most, are welcome; by default, more than one in five
    # minutes is too many. (The constant in C is called MIN_RECV_PING_INTERVAL, and its text is this.)
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A token has up to 16 KiB. By default, gRPC refuses metadata of more than 8 KiB at random, and of 16 KiB always.
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.absolute_max_metadata_size", 32 * 1024),
    # By default, one connection may begin as many calls as it likes, whose headers are kept before any of them counts.
    ("grpc.max_concurrent_streams", 1000),
    # The core answers CANCELLED, at a small part of what any answer costs Python, the likelier, the more calls wait.
    # By default 1000 and 3000 may: for seconds under load, and are begun when their callers are about to give up.
    ("grpc.server.max_pending_requests", UNSHED_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
    # The time that a silent connection gets for its handshake; the default is two minutes.
    ("grpc.server_handshake_timeout_ms", 20_000),
)
"""What holds whatever the settings say."""


def transport_options(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the options of the service's port.

    gRPC makes each connection's age and idle time up to a tenth longer or shorter, so that connections that were made
    together do not end together.
    """
    return (
        *OPTIONS,
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", settings.max_response_bytes),
        ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(settings.max_connection_age_grace_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.max_connection_idle_seconds)),
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_seconds)),
        # Of two limits for the answer to a ping, the core keeps to the one whose name does not say so.
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout_seconds)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.keepalive_timeout_seconds)),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
