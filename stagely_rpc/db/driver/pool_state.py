"""The pool of connections at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolState:
    """The pool at one moment.

    Attributes:
        in_use: connections that calls have.
        idle: connections that are open and wait for calls.
        size: connections at most.
        waiting: calls that wait for a connection.
    """

    in_use: int = 0
    idle: int = 0
    size: int = 0
    waiting: int = 0
