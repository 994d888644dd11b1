"""The endpoints of a service, and the log line that announces them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a service, and how they are secured.

    Attributes:
        address: host and port.
        authentication_is_on: whether callers must authenticate.
        tls: who presents a certificate: the server, or both sides; None if the port is plain.
        health: host and port for health checks only, if any.
        metrics: host and port of the metrics, if any.
        workers: the number of processes, if more than one.
    """

    address: str
    authentication_is_on: bool
    tls: Literal["server", "mutual"] | None = None
    health: str | None = None
    metrics: str | None = None
    workers: int | None = None

    def announce(self) -> None:
        """Log the endpoints."""
        more = {"tls": self.tls, "health": self.health, "metrics": self.metrics, "workers": self.workers}
        given = {name: value for name, value in more.items() if value is not None}
        _log.info("listening", address=self.address, **given)
        if not self.authentication_is_on:
            _log.warning("authentication is off: anyone who reaches the port has full access")
