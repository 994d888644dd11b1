"""What `make` runs: development only, not shipped."""

from __future__ import annotations
