"""Cloud providers and their credentials."""

from __future__ import annotations
