"""`stagely-rpc doctor`: what an operator would check by hand, one finding a line."""

from __future__ import annotations
