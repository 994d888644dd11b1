"""Statements that are compiled once, and the rows that they write."""

from __future__ import annotations
