"""The audit trail: how it is sealed, read and verified."""

from __future__ import annotations
