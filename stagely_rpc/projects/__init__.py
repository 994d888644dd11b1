"""Projects, a git repository each."""

from __future__ import annotations
