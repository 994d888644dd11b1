"""Divides the limits in the settings among the workers. The shares add up to the setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagely_rpc.settings.model import Settings

_DIVIDED = ("database_pool_size", "database_pool_idle", "max_concurrent_rpcs", "max_concurrent_streams")


def shares(settings: Settings) -> list[dict[str, str]]:
    """Return the environment variables with each worker's shares."""
    columns = [divided(getattr(settings, name), settings.workers) for name in _DIVIDED]
    names = [name.upper() for name in _DIVIDED]
    return [dict(zip(names, map(str, row), strict=True)) for row in zip(*columns, strict=True)]


def divided(total: int, parts: int) -> list[int]:
    """Divide a number into parts that differ by at most one."""
    whole, rest = divmod(total, parts)
    return [whole + (part < rest) for part in range(parts)]
