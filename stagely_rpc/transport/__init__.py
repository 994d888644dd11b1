"""The gRPC endpoint: its options, its ports and what answers on them."""

from __future__ import annotations
