"""The settings of the service, read from the environment."""

from __future__ import annotations
