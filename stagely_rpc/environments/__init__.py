"""Preview environments and their lifecycle."""

from __future__ import annotations
