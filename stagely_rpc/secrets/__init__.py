"""Secrets of projects."""

from __future__ import annotations
