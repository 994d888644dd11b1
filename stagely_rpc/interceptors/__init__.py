"""The interceptors of every call. `server/chain.py` lists them in order."""

from __future__ import annotations
