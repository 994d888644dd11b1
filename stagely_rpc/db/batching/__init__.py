"""Point reads of many calls, sent to the database together."""

from __future__ import annotations
