"""Stagely RPC, the control-plane store of Stagely: one gRPC service over PostgreSQL."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("stagely-rpc")
