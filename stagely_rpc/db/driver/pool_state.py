"""The state of the pool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolState:
    """The state of the pool at one moment.

    Attributes:
        in_use: the number of leased connections.
        idle: the number of open connections that are not leased.
        size: the maximum number of connections.
        waiting: the number of calls that wait for a connection.
    """

    in_use: int = 0
    idle: int = 0
    size: int = 0
    waiting: int = 0
