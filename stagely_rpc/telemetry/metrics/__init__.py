"""The metrics of the service, its database, its keys and its audit log."""

from __future__ import annotations
