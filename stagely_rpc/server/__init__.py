"""The composition root: the one package that knows every part."""

from __future__ import annotations
