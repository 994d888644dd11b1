"""The composition root: the only package that imports every part."""

from __future__ import annotations
