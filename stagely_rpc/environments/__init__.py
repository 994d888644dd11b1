"""Preview environments and their life."""

from __future__ import annotations
