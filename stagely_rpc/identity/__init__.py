"""Authentication: who calls, by token or client certificate, and with which permissions."""

from __future__ import annotations
