"""AES-256-GCM for callers, and the envelope in which secrets are stored."""

from __future__ import annotations
