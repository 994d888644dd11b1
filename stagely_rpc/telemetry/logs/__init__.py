"""Logs: one JSON object a line in production, readable lines elsewhere."""

from __future__ import annotations
