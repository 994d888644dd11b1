"""How a service is reached: what it says in its log once it answers, or why it can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """How a service is reached.

    Attributes:
        address: host and port.
        authentication_is_on: whether callers must show who they are.
        tls: who shows a certificate: the server, or both sides; None where the port is plain.
        health: host and port of health alone, if there is one.
        metrics: host and port of the metrics, if there is one.
        workers: how many processes serve, where there is more than one.
    """

    address: str
    authentication_is_on: bool
    tls: Literal["server", "mutual"] | None = None
    health: str | None = None
    metrics: str | None = None
    workers: int | None = None

    def announce(self) -> None:
        """Log it."""
        more = {"tls": self.tls, "health": self.health, "metrics": self.metrics, "workers": self.workers}
        given = {name: value for name, value in more.items() if value is not None}
        _log.info("listening", address=self.address, **given)
        if not self.authentication_is_on:
            _log.warning("authentication is off: whoever reaches the port may do everything")
