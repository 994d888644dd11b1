"""The options of gRPC's core: the lifetime of connections, and the sizes and numbers that they may carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagely_rpc.settings.model import Settings

UNSHED_CALLS, MAX_PENDING_CALLS = 400, 500
"""The limits of queued calls. Up to the first, no call is shed; above the second, every call is shed."""

OPTIONS = (
    # Allow keepalive pings of clients every 10 s. By default, gRPC closes connections with more than one ping in five
    # minutes. (The constant in C is MIN_RECV_PING_INTERVAL; this is its text.)
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A token has up to 16 KiB. By default, gRPC refuses metadata above 8 KiB at random, and above 16 KiB always.
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.absolute_max_metadata_size", 32 * 1024),
    # By default, one connection can open any number of calls, whose headers use memory before any limit applies.
    ("grpc.max_concurrent_streams", 1000),
    # The core sheds calls with CANCELLED, far cheaper than Python could. The probability rises with the queue length.
    # By default the limits are 1000 and 3000: calls then wait for seconds, and start shortly before their deadlines.
    ("grpc.server.max_pending_requests", UNSHED_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
    # The time limit of a handshake. The default is two minutes.
    ("grpc.server_handshake_timeout_ms", 20_000),
)
"""The options that do not depend on the settings."""


def transport_options(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return the options of the service's port.

    gRPC varies each connection's maximum age and idle time by up to 10 %, so that connections that were opened together
    do not end together.
    """
    return (
        *OPTIONS,
        ("grpc.max_receive_message_length", settings.max_request_bytes),
        ("grpc.max_send_message_length", settings.max_response_bytes),
        ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(settings.max_connection_age_grace_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.max_connection_idle_seconds)),
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_seconds)),
        # The core never applies `keepalive_timeout_ms` (grpc/grpc#39239). `ping_timeout_ms` ends the connection.
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout_seconds)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.keepalive_timeout_seconds)),
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
