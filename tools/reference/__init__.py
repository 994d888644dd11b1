"""The generator of docs/reference: a page for each service, and pages for what holds for all of them."""

from __future__ import annotations
