"""Connections: the pool, leases, pipelines and prepared statements."""

from __future__ import annotations
