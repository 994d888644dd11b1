"""The audit log: sealing, reading and verifying it."""

from __future__ import annotations
