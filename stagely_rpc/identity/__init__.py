"""Who calls: what a caller shows, and what it may do by that."""

from __future__ import annotations
