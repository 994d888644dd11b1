"""What the service tells its operators: logs, metrics and traces."""

from __future__ import annotations
