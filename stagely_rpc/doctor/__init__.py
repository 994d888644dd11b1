"""`stagely-rpc doctor`: the checks that an operator would make by hand, one finding on each line."""

from __future__ import annotations
