"""Quotas: how much a team or a project uses at this moment, and how much it may use. Only this room counts it."""

from __future__ import annotations
