from __future__ import annotations

from tests.support.telemetry.observed import observed

__all__ = ["observed"]
