"""The gRPC endpoint: its options, ports and handlers."""

from __future__ import annotations
