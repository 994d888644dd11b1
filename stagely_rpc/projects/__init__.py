"""Projects. Each has one git repository."""

from __future__ import annotations
