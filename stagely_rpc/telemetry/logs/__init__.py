"""Logs: JSON lines in production, readable lines elsewhere."""

from __future__ import annotations
