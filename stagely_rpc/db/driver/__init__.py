"""Connections: the pool, and how statements travel over them."""

from __future__ import annotations
