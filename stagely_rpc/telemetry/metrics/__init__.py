"""What is counted of each part of the service: of its database, its keys and its trail."""

from __future__ import annotations
