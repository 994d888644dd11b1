"""Short random ids."""

from __future__ import annotations
