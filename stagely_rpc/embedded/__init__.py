"""The embedded PostgreSQL of the development profile."""

from __future__ import annotations
