"""The supervisor of `serve --workers`: a small process that imports neither gRPC nor SQLAlchemy."""

from __future__ import annotations
