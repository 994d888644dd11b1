"""The schema: its migrations, its revision and the supported versions of PostgreSQL."""

from __future__ import annotations
