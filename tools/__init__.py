"""Programs that `make` runs. Used in development only; not part of the wheel."""

from __future__ import annotations
