"""Quotas: current usage and limits of teams and projects. Only this package counts usage."""

from __future__ import annotations
