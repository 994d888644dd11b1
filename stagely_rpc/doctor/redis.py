"""Check of Redis, which only sends wake-ups. Without Redis, the service works but notices changes later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagely_rpc.doctor.findings import ok, warn

if TYPE_CHECKING:
    from stagely_rpc.doctor.findings import Outcome
    from stagely_rpc.settings.model import Settings

_TIMEOUT_SECONDS = 2.0


def ping(settings: Settings) -> Outcome:
    """Check that Redis answers a PING."""
    from redis import Redis, RedisError  # noqa: PLC0415 - nothing else uses it yet

    if settings.redis_url is None:
        return ok("not used")
    url = settings.redis_url.get_secret_value()
    try:
        with Redis.from_url(
            url, socket_connect_timeout=_TIMEOUT_SECONDS, socket_timeout=_TIMEOUT_SECONDS, retry=None
        ) as client:
            client.ping()
    except (RedisError, OSError, ValueError) as error:
        # The error text may quote the URL, including the password.
        found = f"does not answer PING: {type(error).__name__}"
        return warn(found, "check REDIS_URL, and that Redis accepts connections from this host")
    return ok("answers PING")
